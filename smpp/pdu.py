"""Protocol data units of SMPP 3.4 and 5.0: octets to structures and back.

A PDU is a header of sixteen octets and a body whose mandatory fields come in a fixed order,
followed by optional parameters, TLVs::

    0        4            8               12               16
    | length | command_id | command_status | sequence_number | fields ... | tag length value ... |

:func:`decode` and :func:`encode` are inverses. The structures stand in
:mod:`smpp.bodies`.

Lengths of the specification bound what we write. What we read may be a little longer where peers
are known to be generous (passwords, system types), and is bounded all the same.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeVar

from smpp.bodies import (
    Address,
    Alert,
    Bind,
    BindResponse,
    Body,
    Cancel,
    DataMessage,
    Empty,
    MessageId,
    MultiMessage,
    MultiResponse,
    Outbind,
    Pdu,
    Query,
    QueryResponse,
    Replace,
    ShortMessage,
    Tlvs,
)
from smpp.codes import GENERIC_NACK, RESPONSE, Command, Status

HEADER = struct.Struct(">IIII")
MAX_PDU_OCTETS = 70_000
"""A message_payload of 64 KiB, the mandatory fields and some TLVs; longer PDUs end a connection."""
MAX_SHORT_MESSAGE_OCTETS = 254
MAX_TLVS = 64
MAX_DESTINATIONS = 254
_MAX_STRING_OCTETS = 65
"""The longest C-octet string of the specification, a message_id, NUL included."""


class PduError(Exception):
    """A PDU that can't be read.

    Args:
        status: the command_status to answer with.
        sequence: the sequence_number to answer to.
        command: the command_id as it came.
    """

    def __init__(self, reason: str, status: Status, sequence: int, command: int) -> None:
        super().__init__(reason)
        self.status = status
        self.sequence = sequence
        self.command = command


class _Reader:
    """Octets of one body, read from the front. Raises ValueError with the reason."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = HEADER.size

    def octet(self) -> int:
        if self.position >= len(self.data):
            raise ValueError("the body ends early")
        self.position += 1
        return self.data[self.position - 1]

    def octets(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise ValueError("the body ends early")
        found = self.data[self.position : end]
        self.position = end
        return found

    def string(self) -> str:
        """A C-octet string: octets up to a NUL."""
        end = self.data.find(b"\0", self.position, self.position + _MAX_STRING_OCTETS)
        if end < 0:
            raise ValueError("a string has no end")
        found = self.data[self.position : end]
        self.position = end + 1
        return found.decode("latin-1")

    def address(self) -> Address:
        return Address(self.octet(), self.octet(), self.string())

    def short(self) -> bytes:
        """sm_length and the short message."""
        count = self.octet()
        if count > MAX_SHORT_MESSAGE_OCTETS:
            raise ValueError("sm_length is over 254")
        return self.octets(count)

    def tlvs(self) -> Tlvs:
        found: list[tuple[int, bytes]] = []
        while self.position < len(self.data):
            tag, count = struct.unpack(">HH", self.octets(4))
            found.append((tag, self.octets(count)))
            if len(found) > MAX_TLVS:
                raise ValueError("too many optional parameters")
        return tuple(found)


def _string(text: str, limit: int) -> bytes:
    """A C-octet string of at most `limit` octets, its NUL included. Raises ValueError."""
    octets = text.encode("latin-1")
    if len(octets) >= limit or 0 in octets:
        raise ValueError(f"{text!r} doesn't fit into {limit - 1} octets")
    return octets + b"\0"


def _address(address: Address, limit: int = 21) -> bytes:
    return bytes((address.ton, address.npi)) + _string(address.digits, limit)


def _short(message: bytes) -> bytes:
    if len(message) > MAX_SHORT_MESSAGE_OCTETS:
        raise ValueError(f"a short message has at most {MAX_SHORT_MESSAGE_OCTETS} octets")
    return bytes((len(message),)) + message


def _tlvs(tlvs: Tlvs) -> bytes:
    return b"".join(struct.pack(">HH", tag, len(value)) + value for tag, value in tlvs)


def _read_bind(r: _Reader) -> Bind:
    return Bind(r.string(), r.string(), r.string(), r.octet(), r.address())


def _write_bind(b: Bind) -> bytes:
    return b"".join(
        (
            _string(b.system_id, 16),
            _string(b.password, 9),
            _string(b.system_type, 13),
            bytes((b.interface_version,)),
            _address(b.address, 41),
        )
    )


def _read_bind_response(r: _Reader) -> BindResponse:
    return BindResponse(r.string(), r.tlvs())


def _write_bind_response(b: BindResponse) -> bytes:
    return _string(b.system_id, 16) + _tlvs(b.tlvs)


_Fields = tuple[bytes, int, int, int, str, int, int, str, str, int, int, Tlvs]
"""Fields that submit_sm, deliver_sm and submit_multi share, in the order of their structures."""


def _read_fields(r: _Reader, service_type: str) -> _Fields:
    """The fields after the destinations."""
    esm_class, protocol_id, priority_flag = r.octets(3)
    schedule, validity = r.string(), r.string()
    registered, replace_if_present, data_coding, default_id = r.octets(4)
    return (
        r.short(),
        data_coding,
        esm_class,
        registered,
        service_type,
        protocol_id,
        priority_flag,
        schedule,
        validity,
        replace_if_present,
        default_id,
        r.tlvs(),
    )


def _read_short_message(r: _Reader) -> ShortMessage:
    service_type = r.string()
    source, destination = r.address(), r.address()
    return ShortMessage(source, destination, *_read_fields(r, service_type))


def _write_short_message(b: ShortMessage) -> bytes:
    return b"".join(
        (
            _string(b.service_type, 6),
            _address(b.source),
            _address(b.destination),
            *_message_fields(b),
        )
    )


def _message_fields(b: ShortMessage | MultiMessage) -> tuple[bytes, ...]:
    """Fields that submit_sm, deliver_sm and submit_multi have after their destinations."""
    return (
        bytes((b.esm_class, b.protocol_id, b.priority_flag)),
        _string(b.schedule_delivery_time, 17),
        _string(b.validity_period, 17),
        bytes((b.registered_delivery, b.replace_if_present, b.data_coding, b.sm_default_msg_id)),
        _short(b.short_message),
        _tlvs(b.tlvs),
    )


def _read_multi(r: _Reader) -> MultiMessage:
    service_type, source = r.string(), r.address()
    destinations: list[Address | str] = []
    for _ in range(r.octet()):
        match r.octet():  # dest_flag
            case 1:
                destinations.append(r.address())
            case 2:
                destinations.append(r.string())
            case other:
                raise ValueError(f"a destination of kind {other}")
    return MultiMessage(source, tuple(destinations), *_read_fields(r, service_type))


def _write_multi(b: MultiMessage) -> bytes:
    if len(b.destinations) > MAX_DESTINATIONS:
        raise ValueError(f"at most {MAX_DESTINATIONS} destinations")
    destinations = b"".join(
        b"\2" + _string(one, 21) if isinstance(one, str) else b"\1" + _address(one)
        for one in b.destinations
    )
    return b"".join(
        (
            _string(b.service_type, 6),
            _address(b.source),
            bytes((len(b.destinations),)),
            destinations,
            *_message_fields(b),
        )
    )


def _read_data(r: _Reader) -> DataMessage:
    service_type = r.string()
    return DataMessage(
        r.address(), r.address(), r.octet(), r.octet(), r.octet(), service_type, r.tlvs()
    )


def _write_data(b: DataMessage) -> bytes:
    return b"".join(
        (
            _string(b.service_type, 6),
            _address(b.source, 65),
            _address(b.destination, 65),
            bytes((b.esm_class, b.registered_delivery, b.data_coding)),
            _tlvs(b.tlvs),
        )
    )


def _read_message_id(r: _Reader) -> MessageId:
    return MessageId(r.string(), r.tlvs())


def _write_message_id(b: MessageId) -> bytes:
    return _string(b.message_id, 65) + _tlvs(b.tlvs)


def _read_multi_response(r: _Reader) -> MultiResponse:
    message_id = r.string()
    failures = [(r.address(), int.from_bytes(r.octets(4), "big")) for _ in range(r.octet())]
    return MultiResponse(message_id, tuple(failures), r.tlvs())


def _write_multi_response(b: MultiResponse) -> bytes:
    failures = b"".join(
        _address(address) + status.to_bytes(4, "big") for address, status in b.unsuccessful
    )
    count = bytes((len(b.unsuccessful),))
    return _string(b.message_id, 65) + count + failures + _tlvs(b.tlvs)


def _read_query(r: _Reader) -> Query:
    return Query(r.string(), r.address())


def _write_query(b: Query) -> bytes:
    return _string(b.message_id, 65) + _address(b.source)


def _read_query_response(r: _Reader) -> QueryResponse:
    return QueryResponse(r.string(), r.string(), r.octet(), r.octet())


def _write_query_response(b: QueryResponse) -> bytes:
    states = bytes((b.message_state, b.error_code))
    return _string(b.message_id, 65) + _string(b.final_date, 17) + states


def _read_cancel(r: _Reader) -> Cancel:
    service_type = r.string()
    return Cancel(r.string(), r.address(), r.address(), service_type)


def _write_cancel(b: Cancel) -> bytes:
    parties = _address(b.source) + _address(b.destination)
    return _string(b.service_type, 6) + _string(b.message_id, 65) + parties


def _read_replace(r: _Reader) -> Replace:
    message_id, source, schedule, validity = r.string(), r.address(), r.string(), r.string()
    registered, default_id = r.octets(2)
    return Replace(
        message_id, source, r.short(), schedule, validity, registered, default_id, r.tlvs()
    )


def _write_replace(b: Replace) -> bytes:
    return b"".join(
        (
            _string(b.message_id, 65),
            _address(b.source),
            _string(b.schedule_delivery_time, 17),
            _string(b.validity_period, 17),
            bytes((b.registered_delivery, b.sm_default_msg_id)),
            _short(b.short_message),
            _tlvs(b.tlvs),
        )
    )


def _read_outbind(r: _Reader) -> Outbind:
    return Outbind(r.string(), r.string())


def _write_outbind(b: Outbind) -> bytes:
    return _string(b.system_id, 16) + _string(b.password, 9)


def _read_alert(r: _Reader) -> Alert:
    return Alert(r.address(), r.address(), r.tlvs())


def _write_alert(b: Alert) -> bytes:
    return _address(b.source, 65) + _address(b.esme, 65) + _tlvs(b.tlvs)


def _read_empty(r: _Reader) -> Empty:
    return Empty()


def _write_empty(b: Empty) -> bytes:
    return b""


B = TypeVar("B", bound=Body)


class _Form:
    """The reader and the writer of one command's body.

    Args:
        empty: of a response: the body of a refusal, which may be left out (section 4.4.2 of 3.4).
    """

    def __init__(
        self,
        body: type[B],
        read: Callable[[_Reader], B],
        write: Callable[[B], bytes],
        empty: B | None = None,
    ) -> None:
        def checked(found: Body) -> bytes:
            if not isinstance(found, body):
                raise ValueError(f"{type(found).__name__} isn't the body of this command")
            return write(found)

        self.read: Callable[[_Reader], Body] = read
        self.write: Callable[[Body], bytes] = checked
        self.empty: Body | None = empty


_BIND = _Form(Bind, _read_bind, _write_bind)
_BIND_RESPONSE = _Form(BindResponse, _read_bind_response, _write_bind_response, BindResponse())
_SHORT = _Form(ShortMessage, _read_short_message, _write_short_message)
_ID = _Form(MessageId, _read_message_id, _write_message_id, MessageId())
_EMPTY = _Form(Empty, _read_empty, _write_empty, Empty())

_FORMS: dict[int, _Form] = {
    GENERIC_NACK: _EMPTY,
    Command.BIND_RECEIVER: _BIND,
    Command.BIND_TRANSMITTER: _BIND,
    Command.BIND_TRANSCEIVER: _BIND,
    Command.BIND_RECEIVER | RESPONSE: _BIND_RESPONSE,
    Command.BIND_TRANSMITTER | RESPONSE: _BIND_RESPONSE,
    Command.BIND_TRANSCEIVER | RESPONSE: _BIND_RESPONSE,
    Command.OUTBIND: _Form(Outbind, _read_outbind, _write_outbind),
    Command.UNBIND: _EMPTY,
    Command.UNBIND | RESPONSE: _EMPTY,
    Command.ENQUIRE_LINK: _EMPTY,
    Command.ENQUIRE_LINK | RESPONSE: _EMPTY,
    Command.SUBMIT_SM: _SHORT,
    Command.SUBMIT_SM | RESPONSE: _ID,
    Command.DELIVER_SM: _SHORT,
    Command.DELIVER_SM | RESPONSE: _ID,
    Command.DATA_SM: _Form(DataMessage, _read_data, _write_data),
    Command.DATA_SM | RESPONSE: _ID,
    Command.SUBMIT_MULTI: _Form(MultiMessage, _read_multi, _write_multi),
    Command.SUBMIT_MULTI | RESPONSE: _Form(
        MultiResponse, _read_multi_response, _write_multi_response, MultiResponse()
    ),
    Command.QUERY_SM: _Form(Query, _read_query, _write_query),
    Command.QUERY_SM | RESPONSE: _Form(
        QueryResponse, _read_query_response, _write_query_response, QueryResponse()
    ),
    Command.CANCEL_SM: _Form(Cancel, _read_cancel, _write_cancel),
    Command.CANCEL_SM | RESPONSE: _EMPTY,
    Command.REPLACE_SM: _Form(Replace, _read_replace, _write_replace),
    Command.REPLACE_SM | RESPONSE: _EMPTY,
    Command.ALERT_NOTIFICATION: _Form(Alert, _read_alert, _write_alert),
}
_MESSAGES = {Command.SUBMIT_SM, Command.DELIVER_SM, Command.REPLACE_SM, Command.SUBMIT_MULTI}
"""Requests whose damaged body is an invalid message length rather than a command length."""


def decode(data: bytes) -> Pdu:
    """One whole PDU, as :class:`Framer` cut it out. Raises PduError with the status to answer."""
    _, command, status, sequence = HEADER.unpack_from(data)
    form = _FORMS.get(command)
    if form is None:
        raise PduError(
            f"command_id {command:#x} isn't known", Status.INVALID_COMMAND_ID, sequence, command
        )
    if status and form.empty is not None and len(data) == HEADER.size:
        return Pdu(command, sequence, form.empty, status)
    try:
        return Pdu(command, sequence, form.read(_Reader(data)), status)
    except ValueError as error:
        wrong = (
            Status.INVALID_MESSAGE_LENGTH if command in _MESSAGES else Status.INVALID_COMMAND_LENGTH
        )
        raise PduError(str(error), wrong, sequence, command) from None


def encode(pdu: Pdu) -> bytes:
    """Octets of a PDU. Raises ValueError if a field doesn't fit, or for another command's body."""
    form = _FORMS.get(pdu.command)
    if form is None:
        raise ValueError(f"command_id {pdu.command:#x} isn't known")
    refused = pdu.status and form.empty is not None and pdu.body == form.empty
    body = b"" if refused else form.write(pdu.body)
    return HEADER.pack(HEADER.size + len(body), pdu.command, pdu.status, pdu.sequence) + body


def empty_response(command: int) -> Body:
    """The body of a request's refusal."""
    form = _FORMS.get(command | RESPONSE)
    return form.empty if form is not None and form.empty is not None else Empty()


class FramingError(Exception):
    """A command_length that no PDU has: where the next one begins can't be known any more."""


class Framer:
    """Octets of a connection, cut into PDUs."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """PDUs that these octets complete, with those before; the rest waits for more.

        Raises:
            FramingError: the connection must be ended.
        """
        data = self._rest + data
        found: list[bytes] = []
        start = 0
        while len(data) - start >= 4:
            length = int.from_bytes(data[start : start + 4], "big")
            if not HEADER.size <= length <= MAX_PDU_OCTETS:
                raise FramingError(f"a command_length of {length}")
            if len(data) - start < length:
                break
            found.append(data[start : start + length])
            start += length
        self._rest = data[start:]
        return found
