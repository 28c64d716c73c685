"""Asks the contacts that sent no response to a call or a text if they live (OPTIONS, RFC 3261
section 11): one that answers, whatever it says, is rung again at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice

from sip.events import Replied
from sip.registrar import Binding
from sip.standalone import Errand, StandaloneRequest
from sip.user_agent import UserAgent
from softswitch.call.ringing.silent_contacts import SilentContacts

ASK_SECONDS = 20.0
"""Between two OPTIONS to a silent contact."""
PATIENCE_SECONDS = 5.0
"""An OPTIONS that isn't answered by then is lost."""
MAX_ASKED = 100
"""Contacts that are asked at a time, the least lately asked first: what is sent stays small when a
whole access network is gone."""


class ContactMonitor:
    """The OPTIONS to silent contacts, and what their answers change.

    Args:
        bindings_of: the valid bindings of an address of record.
        domain: ours.
    """

    def __init__(
        self,
        agent: UserAgent,
        silent_contacts: SilentContacts,
        bindings_of: Callable[[str], Iterable[Binding]],
        domain: bytes,
    ) -> None:
        self._agent = agent
        self._silent_contacts = silent_contacts
        self._bindings_of = bindings_of
        self._address = b"<sip:%s>" % domain

    def start(self, now: float) -> None:
        """Begin to ask."""
        self._agent.stack.timers.arm(ASK_SECONDS, now, _tick, self)

    def tick(self, now: float) -> None:
        """Ask the silent contacts."""
        self.start(now)
        for aor, contact in [*islice(self._silent_contacts, MAX_ASKED)]:
            found = (b for b in self._bindings_of(aor) if b.contact == contact)
            binding = next(found, None)
            if binding is None:
                self._silent_contacts.forget(aor, contact)
            else:
                self._ask(binding, now)

    def _ask(self, binding: Binding, now: float) -> None:
        self._silent_contacts.note_again(binding.aor, binding.contact)
        stack = self._agent.stack
        options = StandaloneRequest(
            "OPTIONS", binding.flow, binding.contact, self._address, b"<" + binding.contact + b">",
            extra=(*binding.routes, (b"Contact", stack.contact(binding.flow))),
        )  # fmt: skip
        errand = self._agent.send_standalone(options, partial(self._hear, binding), now)
        stack.timers.arm(PATIENCE_SECONDS, now, _lose_patience, errand)

    def _hear(self, binding: Binding, reply: Replied) -> None:
        if reply.response is not None:
            self._silent_contacts.forget(binding.aor, binding.contact)


def _tick(monitor: ContactMonitor, now: float) -> None:
    monitor.tick(now)


def _lose_patience(errand: Errand, now: float) -> None:
    errand.give_up()
