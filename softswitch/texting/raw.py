"""Short messages of businesses that are passed on as they are: binary ones, and segments that the
business has cut itself.

Such a text's body is the octets of the short message, and its content type says how they were
coded, so that the phone gets exactly what was sent.
"""

from __future__ import annotations

import re

from smpp.bodies import ShortMessage
from smpp.codes import EsmClass

_TYPE = re.compile(r"application/vnd\.smpp;coding=(\d{1,3});udh=([01])")


def content_type(message: ShortMessage) -> str:
    """How a message's octets are coded, for :func:`read`."""
    udh = int(bool(message.esm_class & EsmClass.UDH))
    return f"application/vnd.smpp;coding={message.data_coding};udh={udh}"


def read(content_type: str) -> tuple[int, bool] | None:
    """data_coding, and True if the octets begin with a user data header; None: it is a text."""
    found = _TYPE.fullmatch(content_type)
    return None if found is None else (int(found[1]), found[2] == "1")
