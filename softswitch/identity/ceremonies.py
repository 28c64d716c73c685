"""The two ceremonies of WebAuthn Level 3 (sections 7.1 and 7.2): registration and assertion.

Without I/O: the caller keeps the challenges and the passkeys.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from softswitch.identity.passkeys import Passkey

MOST_CHARACTERS = 16_000
"""Of a browser's answer: credential id, client data, attestation object or signature."""
MALFORMED = (WebAuthnException, ValueError, KeyError, TypeError)
"""Exceptions of the library for an answer that is no answer."""


class CeremonyFailed(Exception):
    """The browser's answer isn't right."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The site whose passkeys these are.

    Args:
        id: its domain; passkeys of one domain are worth nothing to another.
        origin: the scheme, name and port under which browsers open it.
    """

    id: str
    origin: str
    name: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer before it is verified: what it claims.

    Args:
        text: the answer itself, in JSON.
    """

    text: str
    credential_id: str
    challenge: bytes


def relying_party(url: str, name: str) -> RelyingParty | None:
    """The relying party of a site's address; None for an address by number, for which browsers
    keep no passkeys.

    >>> relying_party("https://console.example.org:8443", "Example").id
    'console.example.org'
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return RelyingParty(host, f"{parts.scheme}://{parts.netloc}", name or host)
    return None


def creation_options(
    party: RelyingParty, user_id: int, login: str, challenge: bytes, known: Sequence[Passkey]
) -> str:
    """Options for `navigator.credentials.create()`, as JSON."""
    options = webauthn.generate_registration_options(
        rp_id=party.id, rp_name=party.name, user_name=login, user_id=f"user-{user_id}".encode(),
        challenge=challenge, exclude_credentials=_descriptors(known),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
    )  # fmt: skip
    return webauthn.options_to_json(options)


def request_options(party: RelyingParty, challenge: bytes, known: Sequence[Passkey]) -> str:
    """Options for `navigator.credentials.get()`, as JSON.

    Args:
        known: those that may answer; none: any of this site.
    """
    options = webauthn.generate_authentication_options(
        rp_id=party.id, challenge=challenge, allow_credentials=_descriptors(known),
        user_verification=UserVerificationRequirement.REQUIRED,
    )  # fmt: skip
    return webauthn.options_to_json(options)


def registration_claimed(text: str) -> Answer:
    """What the answer to `create()` claims. Raises CeremonyFailed."""
    try:
        found = parse_registration_credential_json(_short(text))
        client = parse_client_data_json(found.response.client_data_json)
    except MALFORMED as error:
        raise CeremonyFailed(str(error)) from None
    return Answer(text, bytes_to_base64url(found.raw_id), client.challenge)


def assertion_claimed(text: str) -> Answer:
    """What the answer to `get()` claims. Raises CeremonyFailed."""
    try:
        found = parse_authentication_credential_json(_short(text))
        client = parse_client_data_json(found.response.client_data_json)
    except MALFORMED as error:
        raise CeremonyFailed(str(error)) from None
    return Answer(text, bytes_to_base64url(found.raw_id), client.challenge)


def registered(party: RelyingParty, answer: Answer, user_id: int, name: str, now: int) -> Passkey:
    """The passkey of an answer to `create()`, whose user was verified. Raises CeremonyFailed."""
    try:
        verified = webauthn.verify_registration_response(
            credential=answer.text, expected_challenge=answer.challenge, expected_rp_id=party.id,
            expected_origin=party.origin, require_user_verification=True,
        )  # fmt: skip
    except MALFORMED as error:
        raise CeremonyFailed(str(error)) from None
    return Passkey(
        bytes_to_base64url(verified.credential_id), user_id,
        verified.credential_public_key.hex(), verified.sign_count, name, now,
    )  # fmt: skip


def asserted(party: RelyingParty, answer: Answer, passkey: Passkey) -> int:
    """The signature count of an answer to `get()` that this passkey signed, its user verified.

    Raises CeremonyFailed, also for a count that isn't above the last one: a copied authenticator.
    """
    try:
        verified = webauthn.verify_authentication_response(
            credential=answer.text, expected_challenge=answer.challenge, expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=bytes.fromhex(passkey.public_key),
            credential_current_sign_count=passkey.sign_count, require_user_verification=True,
        )  # fmt: skip
    except MALFORMED as error:
        raise CeremonyFailed(str(error)) from None
    return verified.new_sign_count


def _descriptors(passkeys: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.credential_id)) for one in passkeys
    ]


def _short(text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise ValueError("too long")
    return text
