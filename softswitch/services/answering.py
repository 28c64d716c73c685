"""The services that answer a call, by the names that [codes] gives them."""

from __future__ import annotations

from collections.abc import Mapping

from softswitch.admission.admission import STAR_CODE
from softswitch.call.established.merging import FOCUS
from softswitch.call.ivr.service_call import Service
from softswitch.services import short_codes
from softswitch.services.conference_room import conference_room, focus
from softswitch.services.echo import echo
from softswitch.services.enquiries import directory
from softswitch.services.mailbox_menu import mailbox_menu
from softswitch.services.pin_service import pin
from softswitch.services.star_codes import malicious, star_code

CONFERENCE = "conference"
"""The service by which one dials into a conference."""

SERVICES: Mapping[str, Service] = {
    "balance": short_codes.balance,
    CONFERENCE: conference_room,
    "conference_buy": short_codes.conference_buy,
    "conference_term": short_codes.conference_term,
    "directory": directory,
    "echo": echo,
    FOCUS: focus,
    "malicious": malicious,
    "own_number": short_codes.own_number,
    "package": short_codes.package,
    "pin": pin,
    STAR_CODE: star_code,
    "voicemail": mailbox_menu,
}

CONNECTING = frozenset({"directory", "voicemail"})
"""Services that may connect their caller with another line."""


GATHERING = frozenset({CONFERENCE, FOCUS})
"""Services that bring callers together in a conference."""


def answering(codes: Mapping[str, str]) -> dict[str, str]:
    """The codes that have a service here: code to name."""
    return {code: name for code, name in codes.items() if name in SERVICES}
