"""Texts that the switch itself sends to phones (RFC 3428)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sip.events import Replied
from sip.registrar import Binding
from sip.standalone import StandaloneRequest
from sip.user_agent import UserAgent
from softswitch.admission.admission import BindingsOf
from softswitch.admission.caller_id import Identity, from_field, privacy_fields
from softswitch.subscribers.directory import Line

MAX_FORWARDS = 70


class TextSender:
    """Sends the switch's own texts, each to every phone of a line.

    Args:
        domain: of our lines' addresses.
        now: monotonic seconds.
        on_silent: called with the address of record and the Contact of a phone that sent no
            response.
    """

    def __init__(
        self,
        agent: UserAgent,
        bindings_of: BindingsOf,
        domain: bytes,
        now: Callable[[], float],
        on_silent: Callable[[str, bytes], None],
    ) -> None:
        self._agent = agent
        self._bindings_of = bindings_of
        self._domain = domain
        self._now = now
        self._on_silent = on_silent

    def tell(self, line: Line, text: str) -> None:
        """Send a text of the switch's own to every phone of a line; the result is ignored."""
        now = self._now()
        body = text.encode()
        fields = ((b"Content-Type", b"text/plain;charset=utf-8"),)
        here = b"<sip:%s>" % self._domain
        to = b"<sip:%s@%s>" % (line.number.encode("ascii"), self._domain)
        for binding in self._bindings_of(line):
            self._agent.send_standalone(
                StandaloneRequest(
                    "MESSAGE", binding.flow, binding.contact, here, to, extra=fields, body=body
                ),
                partial(self._hear, binding, None),
                now,
            )

    def notify(
        self, line: Line, shown: Identity, text: str, told: Callable[[bool], None], now: float
    ) -> None:
        """Send a text in a caller's name, as :meth:`tell` does, and report if a phone takes it.

        Args:
            shown: the sender.
            told: called once, with True if a phone has taken it.
        """
        bindings = self._bindings_of(line)
        delivery = _Notice(len(bindings), told)
        fields = (*privacy_fields(shown), (b"Content-Type", b"text/plain;charset=UTF-8"))
        to = b"<sip:%s@%s>" % (line.number.encode("ascii"), self._domain)
        for binding in bindings:
            self._agent.send_standalone(
                StandaloneRequest(
                    "MESSAGE",
                    binding.flow,
                    binding.contact,
                    from_field(shown, self._domain),
                    to,
                    MAX_FORWARDS,
                    fields,
                    text.encode("utf-8"),
                ),
                partial(self._hear, binding, delivery),
                now,
            )
        if not bindings:
            told(False)

    def _hear(self, binding: Binding, delivery: _Notice | None, reply: Replied) -> None:
        """Take a phone's answer to a text; without a `delivery` the result is ignored."""
        if reply.response is None:
            self._on_silent(binding.aor, binding.contact)
        if delivery is not None:
            delivery.heard(reply)


class _Notice:
    """A text of ours on its way to all phones of a line."""

    __slots__ = ("_told", "_under_way")

    def __init__(self, phones: int, told: Callable[[bool], None]) -> None:
        self._under_way = phones
        self._told: Callable[[bool], None] | None = told

    def heard(self, reply: Replied) -> None:
        self._under_way -= 1
        taken = 200 <= reply.status < 300
        if self._told is not None and (taken or self._under_way == 0):
            told, self._told = self._told, None
            told(taken)
