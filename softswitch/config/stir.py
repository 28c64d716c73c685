"""[stir]: signed caller ids (STIR/SHAKEN), on trunks whose setting `stir` is on or require."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import AfterValidator, Field, model_validator

from softswitch.config.values import Section, below_config

PemFile = Annotated[Path, AfterValidator(below_config)] | None


def _uuid(value: str) -> str:
    return str(uuid.UUID(value)) if value else value


class StirSection(Section):
    """[stir]: signed caller ids (STIR/SHAKEN), on trunks whose setting stir is on or require."""

    key: PemFile = None
    """A PEM file with the private key (P-256) that signs outgoing calls. None: they aren't
    signed."""
    certificate_url: Annotated[str, Field(pattern=r"^(https://[!-~]{1,500})?$")] = ""
    """Where others get the certificate of that key: https://..."""
    origin_id: Annotated[str, AfterValidator(_uuid)] = ""
    """A UUID that names this switch in signatures. Empty: one that follows from the domain."""
    authorities: PemFile = None
    """A PEM file with the authorities whose certificates prove incoming calls. None: none does."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.key is None) != (not self.certificate_url):
            raise ValueError("[stir] key and certificate_url are needed together")
        return self

    def signing_key(self) -> ec.EllipticCurvePrivateKey | None:
        """The key; None: calls aren't signed.

        Raises:
            ValueError, OSError: the file can't be used.
        """
        if self.key is None:
            return None
        key = load_pem_private_key(self.key.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise ValueError(f"{self.key} has no key of P-256")
        return key

    def trusted(self) -> list[x509.Certificate]:
        """The authorities' certificates.

        Raises:
            ValueError, OSError: the file can't be used.
        """
        if self.authorities is None:
            return []
        return x509.load_pem_x509_certificates(self.authorities.read_bytes())

    def origin_of(self, domain: str) -> str:
        """The UUID of a switch of this domain."""
        return self.origin_id or str(uuid.uuid5(uuid.NAMESPACE_DNS, domain))
