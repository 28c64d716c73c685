"""Contacts that sent no response to a request of ours: living ones are rung without them until they
answer an OPTIONS, register again, or have rested."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sip.registrar import Binding

REST_SECONDS = 60.0
"""A silent contact is passed over for so long, or until it registers. Each OPTIONS that it leaves
unanswered begins the time anew."""
MAX_SILENT = 10_000
"""Contacts that are remembered; beyond it the oldest is forgotten, and is rung again."""


class SilentContacts:
    """The silent contacts of all lines.

    Args:
        now: monotonic seconds.
        wall_seconds: epoch seconds, as bindings have them.
    """

    def __init__(self, now: Callable[[], float], wall_seconds: Callable[[], float]) -> None:
        self._now = now
        self._wall_seconds = wall_seconds
        self._since: dict[tuple[str, bytes], tuple[float, float]] = {}
        """Address of record and Contact, to the monotonic and the epoch seconds of the silence."""

    def note(self, aor: str, contact: bytes) -> None:
        """A contact has sent no response."""
        self._since.pop((aor, contact), None)
        self._since[aor, contact] = self._now(), self._wall_seconds()
        if len(self._since) > MAX_SILENT:
            del self._since[next(iter(self._since))]

    def note_again(self, aor: str, contact: bytes) -> None:
        """A silent contact is asked once more; its REGISTER since then still counts."""
        _, silent_wall = self._since.pop((aor, contact))
        self._since[aor, contact] = self._now(), silent_wall

    def forget(self, aor: str, contact: bytes) -> None:
        """Ring a contact again: it has sent a response, or isn't registered any more."""
        self._since.pop((aor, contact), None)

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Addresses of record and Contacts: those first whose silence was noted first."""
        return iter(self._since)

    def left_out(self, bindings: Sequence[Binding]) -> list[Binding]:
        """The bindings without the silent ones; all of them if none would be left."""
        if not self._since:
            return [*bindings]  # as nearly always
        living = [binding for binding in bindings if not self._is_silent(binding)]
        return living or [*bindings]

    def _is_silent(self, binding: Binding) -> bool:
        key = binding.aor, binding.contact
        since = self._since.get(key)
        if since is None:
            return False
        silent_since, silent_wall = since
        if binding.registered_at > silent_wall or self._now() - silent_since > REST_SECONDS:
            del self._since[key]
            return False
        return True
