"""The conference package (RFC 4575): the members of the conference of a line's own calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sip.subscription import Package
from softswitch.services.markup import document, element
from softswitch.subscribers.directory import Line

PACKAGE = Package(
    b"conference",
    b"application/conference-info+xml",
    default_expires=3600,  # section 3.4
    rest_seconds=5.0,  # section 3.10
)
ANONYMOUS = "sip:anonymous@anonymous.invalid"


@dataclass(frozen=True, slots=True)
class Participant:
    """A member of a conference.

    Args:
        id: of the call.
        uri: None when it is withheld.
    """

    id: str
    uri: str | None
    muted: bool


ParticipantsOf = Callable[[Line], Sequence[Participant]]
"""The members of the conference of a line's own calls."""


def conference_info(
    entity: str, participants: Sequence[Participant], maximum: int, version: int
) -> bytes:
    """The full state of a conference; empty if it does not exist now."""
    attributes = {
        "xmlns": "urn:ietf:params:xml:ns:conference-info",
        "entity": entity,
        "state": "full",
        "version": str(version),
    }
    most = element("maximum-user-count", {}, str(maximum))
    state = (
        element("user-count", {}, str(len(participants))),
        element("active", {}, "true" if participants else "false"),
    )
    return document(
        element(
            "conference-info",
            attributes,
            element("conference-description", {}, most),
            element("conference-state", {}, *state),
            element("users", {}, *map(_user, participants)),
        )
    )


def _user(participant: Participant) -> str:
    uri = participant.uri or ANONYMOUS
    audio = element(
        "media",
        {"id": "1"},
        element("type", {}, "audio"),
        element("status", {}, "recvonly" if participant.muted else "sendrecv"),
    )
    endpoint = element(
        "endpoint",
        {"entity": f"{uri};call={participant.id}"},
        element("status", {}, "connected"),
        audio,
    )
    return element("user", {"entity": uri, "state": "full"}, endpoint)
