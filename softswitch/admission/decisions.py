"""The decisions taken for a call, kept beside its CDR so that `explain call` can show them
later."""

from __future__ import annotations

from functools import lru_cache

import msgspec

MAX_OCTETS = 300
"""The size of the column in the CDR; the end of a longer list is left out."""
MAX_RULE = 120
PHONES = "phones"
"""The name, in `tried`, of the phones of a line that rang together."""
ANSWERED = 200
NO_ANSWER = 408
GIVEN_UP = 487
"""The caller hung up while it rang."""


class Decisions(msgspec.Struct, omit_defaults=True, rename={"rule": "r", "shown": "s"}):
    """The decisions of admission and ringing, in the order in which they were taken.

    Attributes:
        rule: the rule that refused or ended the call, as its sentence in the catalogue of errors.
        shown: the rule by which the caller's number is shown or withheld.
        claimed: True if the caller's number is the unproven claim of an untrusted trunk.
        left: the trunks that weren't tried, with the reason.
        tried: trunks and phones with the SIP status that each gave; 408 for no answer.
    """

    rule: str = ""
    shown: str = ""
    claimed: bool = msgspec.field(default=False, name="c")
    left: tuple[tuple[str, str], ...] = msgspec.field(default=(), name="l")
    tried: tuple[tuple[str, int], ...] = msgspec.field(default=(), name="t")

    def encoded(self, rule: str) -> str | None:
        """JSON of at most MAX_OCTETS; None when nothing was decided."""
        kept, shown = self, self.shown
        if not (rule or self.left or self.tried):
            return _of_caller_id(shown, self.claimed)
        plain = _plain(shown)
        if rule or plain != shown:
            kept = Decisions(_plain(rule), plain, self.claimed, self.left, self.tried)
        return kept.fitted()

    def fitted(self) -> str:
        """JSON of at most MAX_OCTETS, of texts that may be stored."""
        kept, data = self, _encode(self)
        while len(data) > MAX_OCTETS:
            kept = kept.shorter()
            data = _encode(kept)
        return data.decode()

    def shorter(self) -> Decisions:
        """A copy without the least important entry: the last trunk that wasn't tried, or the last
        but one that was."""
        if self.left:
            return msgspec.structs.replace(self, left=self.left[:-1])
        if len(self.tried) > 1:
            tried = (*self.tried[:-2], self.tried[-1])
            return msgspec.structs.replace(self, left=(), tried=tried)
        return Decisions(self.rule[:-10], self.shown[:-10], self.claimed)


@lru_cache(maxsize=256)  # the rules of a switch are few, and each call is described twice
def _plain(text: str) -> str:
    """A sentence without the characters that a database may refuse: it may quote a stranger's
    message."""
    if text.isprintable() and len(text) <= MAX_RULE:
        return text
    return "".join(x if x.isprintable() else "?" for x in text[:MAX_RULE])


@lru_cache(maxsize=256)  # as above
def _of_caller_id(shown: str, claimed: bool) -> str | None:
    """The decisions for a call that is about to ring; None when nothing was decided."""
    return Decisions("", _plain(shown), claimed).fitted() if shown else None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Decisions).decode


def decoded(kept: str | None) -> Decisions:
    """The decisions of a CDR; empty for a call of an older version."""
    return Decisions() if kept is None else _decode(kept)
