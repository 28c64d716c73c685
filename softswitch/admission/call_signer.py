"""Signing the caller ids of outgoing calls (RFC 8224, RFC 8588)."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.utils import formatdate

from cryptography.hazmat.primitives.asymmetric import ec

from sip.fields import Fields
from sip.passport import Attestation, identity_field
from softswitch.admission.caller_id import Identity

_NUMBER = re.compile(r"\+?[0-9]{2,15}")


class CallSigner:
    """Signs for the numbers of this switch.

    Args:
        certificate_url: where others get the key's certificate.
        origin_id: the UUID of this switch.
        is_own: True if a number is one of this switch's.
        wall_seconds: epoch seconds.
    """

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        certificate_url: str,
        origin_id: str,
        is_own: Callable[[str], bool],
        wall_seconds: Callable[[], float],
    ) -> None:
        self._key = key
        self._url = certificate_url
        self._origin_id = origin_id
        self._is_own = is_own
        self._wall_seconds = wall_seconds

    def fields(self, identity: Identity, called: str) -> Fields:
        """Date and Identity for a call with this caller id; nothing for a withheld one, which the
        signature would tell.

        A number of ours that is shown is always its subscriber's own: attestation A. Any other came
        from elsewhere: C.
        """
        calling = identity.presented
        if calling is None or not _NUMBER.fullmatch(calling) or not _NUMBER.fullmatch(called):
            return ()
        attestation: Attestation = "A" if self._is_own(calling) else "C"
        now = int(self._wall_seconds())
        value = identity_field(
            self._key, self._url, attestation, calling, called, self._origin_id, now
        )
        return (b"Date", formatdate(now, usegmt=True).encode("ascii")), (b"Identity", value)
