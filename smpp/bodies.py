"""Bodies of PDUs, a structure for each form, with the field names of the specification.

Strings are text in which each character is one octet (Latin-1), so that nothing is lost of what a
peer wrote. TLVs with tags that we don't know pass unchanged and keep their order.
"""

from __future__ import annotations

from msgspec import Struct

from smpp.codes import RESPONSE, Tag

Tlvs = tuple[tuple[int, bytes], ...]
"""Optional parameters: tags and values in their order."""


class Address(Struct, frozen=True):
    """A party of a message: type of number, numbering plan, and the digits or letters."""

    ton: int = 0
    npi: int = 0
    digits: str = ""


class Bind(Struct, frozen=True):
    """bind_receiver, bind_transmitter or bind_transceiver (section 4.1 of 3.4)."""

    system_id: str
    password: str = ""
    system_type: str = ""
    interface_version: int = 0x34
    address: Address = Address()
    """The addresses that the ESME serves; digits is a regular expression, which few use."""


class BindResponse(Struct, frozen=True):
    """Answer to a bind: the SMS centre's name."""

    system_id: str = ""
    tlvs: Tlvs = ()


class Outbind(Struct, frozen=True):
    """outbind: the SMS centre asks an ESME to bind as a receiver."""

    system_id: str
    password: str = ""


class Empty(Struct, frozen=True):
    """Body of unbind, enquire_link, generic_nack and of answers without fields."""


class ShortMessage(Struct, frozen=True):
    """submit_sm or deliver_sm (sections 4.4.1 and 4.6.1 of 3.4).

    Args:
        schedule_delivery_time, validity_period: as :mod:`smpp.times` reads them; empty: at once,
            and as long as the SMS centre keeps messages.
        short_message: at most 254 octets; longer ones stand in a message_payload TLV.
    """

    source: Address
    destination: Address
    short_message: bytes = b""
    data_coding: int = 0
    esm_class: int = 0
    registered_delivery: int = 0
    service_type: str = ""
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    replace_if_present: int = 0
    sm_default_msg_id: int = 0
    tlvs: Tlvs = ()

    @property
    def payload(self) -> bytes:
        """The message itself, wherever it stands."""
        if not self.short_message:
            return find_tlv(self.tlvs, Tag.MESSAGE_PAYLOAD) or b""
        return self.short_message


class DataMessage(Struct, frozen=True):
    """data_sm (section 4.7.1 of 3.4): the message stands in a message_payload TLV."""

    source: Address
    destination: Address
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0
    service_type: str = ""
    tlvs: Tlvs = ()

    @property
    def payload(self) -> bytes:
        """The message itself."""
        return find_tlv(self.tlvs, Tag.MESSAGE_PAYLOAD) or b""


class MultiMessage(Struct, frozen=True):
    """submit_multi (section 4.5.1 of 3.4): one message to up to 254 destinations.

    A destination is an address, or the name of a distribution list.
    """

    source: Address
    destinations: tuple[Address | str, ...]
    short_message: bytes = b""
    data_coding: int = 0
    esm_class: int = 0
    registered_delivery: int = 0
    service_type: str = ""
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    replace_if_present: int = 0
    sm_default_msg_id: int = 0
    tlvs: Tlvs = ()


class MessageId(Struct, frozen=True):
    """Answer to submit_sm, deliver_sm or data_sm."""

    message_id: str = ""
    tlvs: Tlvs = ()


class MultiResponse(Struct, frozen=True):
    """Answer to submit_multi: the id, and the destinations that were refused with their status."""

    message_id: str = ""
    unsuccessful: tuple[tuple[Address, int], ...] = ()
    tlvs: Tlvs = ()


class Query(Struct, frozen=True):
    """query_sm (section 4.8.1 of 3.4)."""

    message_id: str
    source: Address


class QueryResponse(Struct, frozen=True):
    """Answer to query_sm: the state of a message, and since when if that is final."""

    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


class Cancel(Struct, frozen=True):
    """cancel_sm (section 4.9.1 of 3.4); an empty message_id means all between the two parties."""

    message_id: str
    source: Address
    destination: Address
    service_type: str = ""


class Replace(Struct, frozen=True):
    """replace_sm (section 4.10.1 of 3.4)."""

    message_id: str
    source: Address
    short_message: bytes = b""
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    tlvs: Tlvs = ()


class Alert(Struct, frozen=True):
    """alert_notification (section 4.12.1 of 3.4): a phone can be reached again."""

    source: Address
    esme: Address
    tlvs: Tlvs = ()


Body = (
    Bind
    | BindResponse
    | Outbind
    | Empty
    | ShortMessage
    | DataMessage
    | MultiMessage
    | MessageId
    | MultiResponse
    | Query
    | QueryResponse
    | Cancel
    | Replace
    | Alert
)


class Pdu(Struct, frozen=True):
    """A PDU read or to be written.

    Args:
        command: command_id, of a response with :data:`smpp.codes.RESPONSE` set.
        sequence: sequence_number, 1 to 0x7FFFFFFF.
        status: command_status; 0 in requests.
    """

    command: int
    sequence: int
    body: Body = Empty()
    status: int = 0

    @property
    def is_response(self) -> bool:
        """True for responses and generic_nack."""
        return self.command >= RESPONSE


def find_tlv(tlvs: Tlvs, tag: int) -> bytes | None:
    """The value of the first TLV with this tag, or None."""
    return next((value for found, value in tlvs if found == tag), None)
