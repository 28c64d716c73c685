"""The features of the switch that calls use beyond ringing and talking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softswitch.call.call import Call
    from softswitch.call.ending import Ending
    from softswitch.conference.hall import Hall
    from softswitch.prompts.announcer import Announcer
    from softswitch.recordings.desk import RecordingDesk
    from softswitch.services.self_service import SelfService
    from softswitch.subscribers.directory import Line
    from softswitch.subscribers.refusal import Refusal
    from softswitch.subscribers.service_desk import ServiceDesk
    from softswitch.voicemail.desk import VoicemailDesk


@dataclass(frozen=True, slots=True)
class Features:
    """Handed to the parts of a call that need one of them, and to services.

    Args:
        announcer: chooses recordings of prompts.
        hall: the conferences.
        voicemail: the mailboxes.
        recordings: the recorded calls.
        service_desk: the supplementary services of lines.
        self_service: balances, terms and PINs.
        send_text: sends a text of the switch to the phones of a line.
        take_message: the voicemail service of a line.
        offer_completion: offers the caller of a refused call to be called back; returns how the
            call then ended, or None if nothing could be offered.
    """

    announcer: Announcer
    hall: Hall
    voicemail: VoicemailDesk
    recordings: RecordingDesk
    service_desk: ServiceDesk
    self_service: SelfService
    send_text: Callable[[Line, str], None]
    take_message: Callable[[Call, Line], Awaitable[None]]
    offer_completion: Callable[[Call, Refusal], Awaitable[Ending | None]]
