"""DTMF, SRTP and caller-id policies of a line or trunk."""

from __future__ import annotations

from typing import Literal

KeyPolicy = Literal["auto", "rfc4733", "info", "inband"]
"""The way in which keys (DTMF) are sent to a peer; auto: by its SDP and Allow."""
KEY_POLICIES: tuple[KeyPolicy, ...] = ("auto", "rfc4733", "info", "inband")
SrtpPolicy = Literal["off", "optional", "required"]
"""off: never. optional: if the peer wants it, and offered where signalling is encrypted.
required: no call without."""
SRTP_POLICIES: tuple[SrtpPolicy, ...] = ("off", "optional", "required")

WebPolicy = Literal["auto", "on", "off"]
"""WebRTC (ICE and DTLS). auto: if the phone offers it, and offered to phones whose SIP goes over
WebSocket. on: offered to every phone. off: never."""
WEB_POLICIES: tuple[WebPolicy, ...] = ("auto", "on", "off")

ContactPolicy = Literal["auto", "source", "contact"]
"""The target of requests within a trunk's calls. auto: its Contact, unless that is a private
address behind a public one. source: the address that its messages came from. contact: always its
Contact."""
CONTACT_POLICIES: tuple[ContactPolicy, ...] = ("auto", "source", "contact")
StirPolicy = Literal["off", "on", "require"]
"""Signed caller ids (STIR/SHAKEN). on: outgoing calls are signed, incoming ones verified, and the
log says so. require: incoming calls without a proof are refused, too."""
STIR_POLICIES: tuple[StirPolicy, ...] = ("off", "on", "require")
CallerIdPolicy = Literal["numbers", "any"]
"""The caller ids of an untrusted trunk that are shown. numbers: telephone numbers alone. any: names
such as "reception", too."""
CALLER_ID_POLICIES: tuple[CallerIdPolicy, ...] = ("numbers", "any")
