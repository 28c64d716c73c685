"""Texts that the switch itself sends to the phones that are there (RFC 3428)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sip.events import Replied
from sip.registrar import Binding
from sip.standalone import StandaloneRequest
from sip.user_agent import UserAgent
from softswitch.admission.admission import BindingsOf
from softswitch.subscribers.directory import Line


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
                    "MESSAGE",
                    binding.flow,
                    binding.contact,
                    here,
                    to,
                    extra=(*binding.routes, *fields),
                    body=body,
                ),
                partial(self._hear, binding),
                now,
            )

    def _hear(self, binding: Binding, reply: Replied) -> None:
        """Note a phone that doesn't answer a text."""
        if reply.response is None:
            self._on_silent(binding.aor, binding.contact)
