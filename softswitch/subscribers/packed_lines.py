"""Lines packed into octets: a million of them fit into the memory of a small machine.

A :class:`Line` and its parts take two kilobytes and some thirty objects, which the garbage
collector goes through again and again; packed it takes two hundred octets in one object. Lines that
were asked for recently are kept unpacked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

import msgspec

from sip.digest import Algorithm
from softswitch.subscribers.device_credentials import DeviceCredentials, PushAddress
from softswitch.subscribers.line import Line, Proof, Waiting
from softswitch.subscribers.mailbox import VoiceMailbox
from softswitch.subscribers.supplementary import NO_SERVICES, Setting, Supplementary

RECENT = 4096
"""The lines that stay unpacked at least, after they were asked for; twice as many at most."""

_HEX_DIGITS = {Algorithm.MD5: 32, Algorithm.SHA_256: 64, Algorithm.SHA_512_256: 64}
_ALGORITHMS = {algorithm.value: algorithm for algorithm in Algorithm}
_encode = msgspec.msgpack.Encoder().encode
# Any: the fields have the types that they were packed with.
_decode: Callable[[bytes], list[Any]] = msgspec.msgpack.Decoder().decode


class PackedLines:
    """Lines by id."""

    def __init__(self) -> None:
        self._packed: dict[int, bytes] = {}
        self.octets = cast("Callable[[int | None, bytes], bytes]", self._packed.get)
        """A packed line by its id, or the other argument if there is none."""
        self._young: dict[int, Line] = {}
        self._old: dict[int, Line] = {}

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[int]:
        """The ids of all lines."""
        return iter(self._packed)

    def get(self, line_id: int) -> Line | None:
        """A line by its id; None: there is none."""
        try:
            return self._young[line_id]
        except KeyError:
            return self._remembered(line_id)

    def _remembered(self, line_id: int) -> Line | None:
        """A line that wasn't asked for lately, or none; it is kept unpacked from now on."""
        line = self._old.get(line_id)
        if line is None:
            packed = self._packed.get(line_id)
            if packed is None:
                return None
            line = unpacked(packed)
        if len(self._young) >= RECENT:
            self._old, self._young = self._young, {}
        self._young[line_id] = line
        return line

    def holds(self, line: Line) -> bool:
        """True if this line is there, with the same facts."""
        return self._packed.get(line.id) == packed(line)

    def put(self, line: Line) -> None:
        self._forget(line.id)
        self._packed[line.id] = packed(line)

    def pop(self, line_id: int) -> Line | None:
        """Remove a line; None: there was none."""
        found = self._packed.pop(line_id, None)
        self._forget(line_id)
        return None if found is None else unpacked(found)

    def clear(self) -> None:
        for lines in (self._packed, self._young, self._old):
            lines.clear()

    def _forget(self, line_id: int) -> None:
        self._young.pop(line_id, None)
        self._old.pop(line_id, None)


def packed(line: Line) -> bytes:
    """A line as octets, from which :func:`unpacked` makes an equal one."""
    algorithms, mailbox = line.algorithms, line.mailbox
    return _encode(
        (
            line.id,
            line.number,
            line.login,
            line.account_id,
            _packed_secrets(line.ha1),
            line.status,
            line.display_name,
            None if algorithms is None else [algorithm.value for algorithm in algorithms],
            line.no_answer_seconds,
            line.max_calls,
            line.waiting,
            None if mailbox is None else _mailbox_fields(mailbox),
            line.language,
            line.record,
            line.listed,
            line.pin,
            [(name, *_setting_fields(setting)) for name, setting in line.services],
            line.lease_ends_on,
            line.rests_until,
            line.srtp,
            line.since,
            line.dtmf,
            line.webrtc,
            [_device_fields(device) for device in line.devices],
        )
    )


def unpacked(octets: bytes) -> Line:
    """The line that :func:`packed` made these octets of."""
    fields = _decode(octets)
    fields[4] = _secrets(fields[4])
    if fields[7] is not None:
        fields[7] = tuple(map(_ALGORITHMS.__getitem__, fields[7]))
    if fields[10] is not None:
        fields[10] = Waiting(*fields[10])
    if fields[11] is not None:
        takes, *rest = fields[11]
        fields[11] = VoiceMailbox(tuple(takes), *rest)
    services = fields[16]
    fields[16] = NO_SERVICES
    if services:
        fields[16] = Supplementary(
            {name: Setting(active, tuple(numbers), s) for name, active, numbers, s in services}
        )
    fields[23] = tuple(map(_device, fields[23]))
    return Line(*fields)


@lru_cache(RECENT)
def proof_of(octets: bytes, username: str) -> Proof:
    """What proves a packed line under a username: its login, or one of its devices'. A decoy has
    neither name, and its own secrets then.

    Answers are kept by the line's octets, so that they hold for as long as it is unchanged; those
    for decoys too, so that neither takes longer."""
    fields = _decode(octets)
    algorithms = fields[7]
    if algorithms is not None:
        algorithms = tuple(map(_ALGORITHMS.__getitem__, algorithms))
    own: list[bytes | dict[str, str]] = [fields[4]]
    known = {device: secrets for device, secrets, _ in fields[23]}
    known[fields[2]] = own
    # Without a password yet a device costs a guesser the same time as with one.
    secrets = known.get(username, own) or [{}]
    return Proof(fields[0], algorithms, tuple(map(_secrets, secrets)))


def _packed_secrets(secrets: Mapping[Algorithm, str]) -> bytes | dict[str, str]:
    """The octets of all three secrets; those that are no such digests as they are."""
    texts = [secrets.get(algorithm, "") for algorithm in _HEX_DIGITS]
    if len(secrets) == len(texts) and list(map(len, texts)) == list(_HEX_DIGITS.values()):
        text = "".join(texts)
        try:
            octets = bytes.fromhex(text)
        except ValueError:
            octets = b""
        if octets.hex() == text:
            return octets
    return {algorithm.value: secret for algorithm, secret in secrets.items()}


def _secrets(found: bytes | dict[str, str]) -> dict[Algorithm, str]:
    if isinstance(found, dict):
        return {_ALGORITHMS[name]: secret for name, secret in found.items()}
    text = found.hex()
    return {
        Algorithm.MD5: text[:32],
        Algorithm.SHA_256: text[32:96],
        Algorithm.SHA_512_256: text[96:],
    }


def _setting_fields(setting: Setting) -> tuple[object, ...]:
    return setting.active, setting.numbers, setting.seconds


def _mailbox_fields(mailbox: VoiceMailbox) -> tuple[object, ...]:
    return (
        mailbox.takes,
        mailbox.pin,
        mailbox.greeting,
        mailbox.email,
        mailbox.max_seconds,
        mailbox.max_messages,
        mailbox.days_kept,
        mailbox.ring_seconds,
    )


def _device_fields(device: DeviceCredentials) -> tuple[object, ...]:
    return device.username, [_packed_secrets(s) for s in device.secrets], device.push_addresses


def _device(fields: tuple[str, list[bytes | dict[str, str]], list[list[str]]]) -> DeviceCredentials:
    username, secrets, addresses = fields
    return DeviceCredentials(
        username, tuple(map(_secrets, secrets)), tuple(PushAddress(*each) for each in addresses)
    )
