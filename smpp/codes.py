"""Numbers of SMPP 3.4 and 5.0 by their names in the specification."""

from __future__ import annotations

from enum import IntEnum

RESPONSE = 0x80000000
"""The bit that makes a request's command_id its response's (section 5.1.2.1 of 3.4)."""


class Command(IntEnum):
    """command_id of requests; a response's is the same number with :data:`RESPONSE` set."""

    BIND_RECEIVER = 0x01
    BIND_TRANSMITTER = 0x02
    QUERY_SM = 0x03
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    REPLACE_SM = 0x07
    CANCEL_SM = 0x08
    BIND_TRANSCEIVER = 0x09
    OUTBIND = 0x0B
    ENQUIRE_LINK = 0x15
    SUBMIT_MULTI = 0x21
    ALERT_NOTIFICATION = 0x102
    DATA_SM = 0x103


GENERIC_NACK = 0x80000000
"""command_id of the answer to what can't be read (section 4.3.1 of 3.4)."""


class Status(IntEnum):
    """command_status (section 5.1.3 of 3.4, 4.7.6 of 5.0)."""

    OK = 0x00
    INVALID_MESSAGE_LENGTH = 0x01
    INVALID_COMMAND_LENGTH = 0x02
    INVALID_COMMAND_ID = 0x03
    INVALID_BIND_STATUS = 0x04
    ALREADY_BOUND = 0x05
    INVALID_PRIORITY = 0x06
    SYSTEM_ERROR = 0x08
    INVALID_SOURCE = 0x0A
    INVALID_DESTINATION = 0x0B
    INVALID_MESSAGE_ID = 0x0C
    BIND_FAILED = 0x0D
    INVALID_PASSWORD = 0x0E
    INVALID_SYSTEM_ID = 0x0F
    CANCEL_FAILED = 0x11
    REPLACE_FAILED = 0x13
    MESSAGE_QUEUE_FULL = 0x14
    INVALID_DESTINATION_COUNT = 0x33
    INVALID_ESM_CLASS = 0x43
    SUBMIT_FAILED = 0x45
    INVALID_SOURCE_TON = 0x48
    INVALID_DESTINATION_TON = 0x50
    THROTTLED = 0x58
    INVALID_SCHEDULE = 0x61
    INVALID_EXPIRY = 0x62
    RECEIVER_TEMPORARY_ERROR = 0x64
    RECEIVER_PERMANENT_ERROR = 0x65
    RECEIVER_REJECTED = 0x66
    QUERY_FAILED = 0x67
    INVALID_TLV_STREAM = 0xC0
    TLV_NOT_ALLOWED = 0xC1
    INVALID_TLV_LENGTH = 0xC2
    MISSING_TLV = 0xC3
    INVALID_TLV_VALUE = 0xC4
    DELIVERY_FAILED = 0xFE
    UNKNOWN_ERROR = 0xFF


class Tag(IntEnum):
    """Tags of optional parameters, TLVs (section 5.3.2 of 3.4, 4.8.1 of 5.0)."""

    RECEIPTED_MESSAGE_ID = 0x001E
    SAR_MSG_REF_NUM = 0x020C
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    MESSAGE_STATE = 0x0427
    CONGESTION_STATE = 0x0428


class MessageState(IntEnum):
    """message_state of queries and receipts (section 5.2.28 of 3.4)."""

    SCHEDULED = 0
    EN_ROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8
    SKIPPED = 9


class Ton(IntEnum):
    """Type of number (section 5.2.5 of 3.4)."""

    UNKNOWN = 0
    INTERNATIONAL = 1
    NATIONAL = 2
    NETWORK_SPECIFIC = 3
    SUBSCRIBER = 4
    ALPHANUMERIC = 5
    ABBREVIATED = 6


class Npi(IntEnum):
    """Numbering plan indicator (section 5.2.6 of 3.4)."""

    UNKNOWN = 0
    E164 = 1


class EsmClass(IntEnum):
    """Bits of esm_class (section 5.2.12 of 3.4)."""

    RECEIPT = 0x04
    """deliver_sm: the short message is a delivery receipt."""
    TYPE_MASK = 0x3C
    """deliver_sm: which kind of message it is."""
    UDH = 0x40
    """The short message begins with a user data header."""


class RegisteredDelivery(IntEnum):
    """registered_delivery: when the sender wants a receipt (section 5.2.17 of 3.4)."""

    NEVER = 0
    FINAL = 1
    """A receipt for success and for failure."""
    FAILURE = 2
    SUCCESS = 3
    """5.0 only."""
    MASK = 0x03


class DataCoding(IntEnum):
    """data_coding (section 5.2.19 of 3.4)."""

    DEFAULT = 0
    """The SMS centre's default alphabet: GSM 03.38, one septet in an octet."""
    IA5 = 1
    BINARY = 2
    LATIN1 = 3
    BINARY_2 = 4
    UCS2 = 8
    """Sent as UTF-16, most significant octet first; characters beyond the BMP are pairs."""


VERSION_3_3 = 0x33
VERSION_3_4 = 0x34
VERSION_5_0 = 0x50
