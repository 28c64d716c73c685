"""Errors of devices: desk phones and apps."""

from __future__ import annotations

from softswitch.errors.entry import Entry

DEVICES = {
    "cloud_id_missing": Entry(
        "[provisioning] cloud_id isn't set: the id of the operator's app at Cloud Softphone",
        "conflict",
        "app",
    ),
    "device_by_hand": Entry(
        "device {device} is set up by hand; `softswitch device rotate {device}` gives it another "
        "password",
        "conflict",
        "device",
    ),
    "device_key_malformed": Entry(
        "{value!r} is no key; write {kinds}, a number and a label, such as 'blf 1002 Nino'",
        "invalid",
        "keys",
    ),
    "device_keys_too_many": Entry("a phone has at most {most} keys", "invalid", "keys"),
    "device_lines_apart": Entry(
        "lines of several accounts can't share a phone", "conflict", "more_lines"
    ),
    "device_lines_wrong": Entry(
        "a phone has 1 to {most} lines, each of them once", "invalid", "more_lines"
    ),
    "device_mac_malformed": Entry(
        "{value!r} is no MAC address; write twelve hexadecimal digits, such as 00:15:65:4a:a9:37",
        "invalid",
        "mac",
    ),
    "device_mac_taken": Entry(
        "there is a device with the MAC {mac}; `softswitch device list` shows it, "
        "`softswitch device remove` frees it",
        "conflict",
        "mac",
    ),
    "device_model_malformed": Entry(
        "{value!r} is no model; write at most 32 letters and digits, such as T46G",
        "invalid",
        "model",
    ),
    "device_name_malformed": Entry(
        "a device's name has at most {most} printable characters", "invalid", "name"
    ),
    "device_not_enrolled": Entry(
        "device {device} hasn't set itself up yet; `softswitch device enrol {device}` makes "
        "another one-time URL",
        "conflict",
        "device",
    ),
    "device_not_found": Entry(
        "there is no device {device!r}; `softswitch device list` shows them",
        "not_found",
        "device",
    ),
    "device_not_registered": Entry(
        "device {device} isn't registered now; it fetches its configuration when it starts",
        "conflict",
        "device",
    ),
    "device_push_malformed": Entry(
        "a push token has at most 512 printable characters, and needs a selector", "invalid"
    ),
    "device_resync_needs_switch": Entry(
        "the switch doesn't run, so it can't ask device {device}; it asks when it starts",
        "unavailable",
    ),
    "device_token_spent": Entry(
        "the one-time token of device {device} was used, has run out, or is another phone's",
        "conflict",
    ),
    "devices_too_many": Entry(
        "{line} has {most} devices; remove one first", "conflict", "line"
    ),
    "provisioning_code_not_found": Entry(
        "device {device!r} has no code that waits; `softswitch device codes` shows them",
        "not_found",
        "device",
    ),
    "provisioning_code_spent": Entry(
        "the code was used, has run out, or never was", "not_found", "code"
    ),
    "browser_phone_off": Entry(
        "the cabinet has no phone: set [portal] phone_url, such as wss://sip.example.org:7443",
        "not_found",
    ),
    "provisioning_off": Entry(
        "[provisioning] url isn't set: the address by which phones reach the portal", "conflict"
    ),
}  # fmt: skip
"""By code."""
