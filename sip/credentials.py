"""Our own digest credentials towards a peer that challenges us (RFC 3261 section 22)."""

from __future__ import annotations

from dataclasses import dataclass

from sip import digest
from sip.fields import Field
from sip.message import Request, Response


@dataclass(frozen=True, slots=True)
class Credentials:
    """Username and password for digest authentication at a peer such as a trunk.

    Args:
        realm: the only realm whose challenges are answered; None: any realm.
        algorithms: those that may be used, the preferred first.
    """

    username: str
    password: str
    realm: str | None = None
    algorithms: tuple[digest.Algorithm, ...] = tuple(digest.Algorithm)

    def answer(self, request: Request, response: Response, *, cnonce: str) -> Field | None:
        """The Authorization or Proxy-Authorization field that answers a 401 or 407; None if no
        challenge in it is for this realm or of an algorithm that is allowed.

        Args:
            cnonce: a fresh client nonce (RFC 7616 section 3.4).
        """
        proxy = response.status == 407
        challenges = response.get_all(b"proxy-authenticate" if proxy else b"www-authenticate")
        if self.realm is not None:
            challenges = [c for c in challenges if digest.realm_of(c) == self.realm]
        value = digest.answer(
            challenges,
            self.username,
            self.password,
            request.method,
            request.raw_uri,
            cnonce=cnonce,
            body=request.body,
            allowed=self.algorithms,
        )
        return (b"Proxy-Authorization" if proxy else b"Authorization", value) if value else None
