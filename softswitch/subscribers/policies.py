"""How the legs of a line or trunk carry keys and encryption, where it was set for one of them."""

from __future__ import annotations

from typing import Literal

KeyPolicy = Literal["auto", "rfc4733", "info", "inband"]
"""How keys (DTMF) are told to a peer; auto: as its SDP and Allow say."""
KEY_POLICIES: tuple[KeyPolicy, ...] = ("auto", "rfc4733", "info", "inband")
SrtpPolicy = Literal["off", "optional", "required"]
"""off: never. optional: if the peer wants it, and offered where signalling is encrypted.
required: no call without."""
SRTP_POLICIES: tuple[SrtpPolicy, ...] = ("off", "optional", "required")

ContactPolicy = Literal["auto", "source", "contact"]
"""Where requests within a trunk's calls go. auto: to its Contact, unless that is a private address
behind a public one. source: to where its messages came from. contact: always to its Contact."""
CONTACT_POLICIES: tuple[ContactPolicy, ...] = ("auto", "source", "contact")
CallerIdPolicy = Literal["numbers", "any"]
"""Which caller ids of an untrusted trunk are shown. any: names such as "reception", too."""
CALLER_ID_POLICIES: tuple[CallerIdPolicy, ...] = ("numbers", "any")
