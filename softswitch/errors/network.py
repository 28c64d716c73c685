"""Errors of trunks, mails, nodes and the guard."""

from __future__ import annotations

from softswitch.errors.entry import Entry

NETWORK = {
    "ban_not_found": Entry(
        "{source} isn't banned; `softswitch guard list` shows who is", "not_found", "source"
    ),
    "mail_not_found": Entry(
        "there is no mail {mail}; `softswitch mail list` shows them", "not_found", "mail"
    ),
    "mail_server_unset": Entry(
        "{path}: [mail] server isn't set, so no mail is sent", "unavailable"
    ),
    "node_has_no_calls": Entry(
        "node {node!r} has no live calls; `softswitch node list` shows nodes", "not_found", "node"
    ),
    "node_lives": Entry(
        "node {node!r} was alive {silent_seconds} s ago: wait until it has been silent for "
        "{dead_seconds} s",
        "conflict",
        "node",
    ),
    "node_not_serving": Entry(
        "no switch serves as node {node!r}; `softswitch node list` shows those that do",
        "conflict",
        "node",
    ),
    "node_serving": Entry(
        "node {node!r} is serving: its calls live; stop it first", "conflict", "node"
    ),
    "source_malformed": Entry("{value!r} is no address or network", "invalid", "source"),
    "trunk_certificate_malformed": Entry(
        "--inbound-certificate {value!r} must be a host name", "invalid", "inbound_certificate"
    ),
    "trunk_credentials_incomplete": Entry(
        "a trunk needs both --username and --password, or neither", "invalid", "username"
    ),
    "trunk_exists": Entry("there is a trunk {trunk!r} already", "conflict", "trunk"),
    "trunk_not_found": Entry(
        "there is no trunk {trunk!r}; `softswitch trunk list` shows them", "not_found", "trunk"
    ),
    "trunk_ping_too_short": Entry(
        "ping_seconds must be 0 (none) or at least {least}", "invalid", "ping_seconds"
    ),
    "trunk_prefix_malformed": Entry(
        "--prefix {value!r} must be the first digits of E.164 numbers", "invalid", "prefix"
    ),
    "trunk_priority_malformed": Entry(
        "priority must be a whole number; the lower is tried first", "invalid", "priority"
    ),
    "trunk_source_everywhere": Entry(
        "--inbound-from {value}: calls from everywhere would count as the trunk's without "
        "proof; name its networks",
        "invalid",
        "inbound_from",
    ),
    "trunk_source_malformed": Entry("--inbound-from {reason}", "invalid", "inbound_from"),
    "trunk_target_malformed": Entry(
        "--target {value!r} must look like sip:gw.example.org:5060", "invalid", "target"
    ),
    "trunk_target_no_address": Entry(
        "--target {value!r} is no SIP address: {reason}", "invalid", "target"
    ),
    "trunk_target_self": Entry(
        "--target {value!r} is this switch itself: calls would come back without end; name the "
        "other network's host",
        "invalid",
        "target",
    ),
    "trunk_transport_unknown": Entry(
        "--target {value!r}: the transport of {scheme}: must be {known}", "invalid", "target"
    ),
    "trunk_weight_malformed": Entry(
        "weight must be a whole number; the heavier is tried first more often", "invalid", "weight"
    ),
    "trunk_without_credentials": Entry(
        "trunk {trunk} has no username, or no password was given", "conflict", "username"
    ),
    "voice_failed": Entry("{reason}", "unavailable"),
    "voice_silent": Entry("the voice said nothing for {language}/{token}", "unavailable"),
}
