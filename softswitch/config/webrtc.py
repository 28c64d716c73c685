"""The section [webrtc] of the configuration: TURN servers for browsers."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from softswitch.config.values import Section, comma_list

_TURN = re.compile(
    r"turns?:(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.\-]+)(?::[0-9]{1,5})?(?:\?transport=(?:udp|tcp))?"
)
"""RFC 7065."""


def _turn_uris(uris: tuple[str, ...]) -> tuple[str, ...]:
    for uri in uris:
        if _TURN.fullmatch(uri) is None:
            raise ValueError(f"{uri!r} must look like turns:turn.example.org:443?transport=tcp")
    return uris


class WebrtcSection(Section):
    """[webrtc]: TURN servers for browsers whose network lets nothing but TLS through. Which lines
    may be browsers is said by `[media] webrtc`."""

    turn: Annotated[tuple[str, ...], BeforeValidator(comma_list), AfterValidator(_turn_uris)] = ()
    """URIs of the TURN servers that the cabinet's phone may use, such as
    "turns:turn.example.org:443?transport=tcp". Most networks need none."""
    turn_secret: Annotated[str, Field(repr=False)] = ""
    """The secret shared with the TURN servers (coturn: static-auth-secret), from which each page
    gets a username and a password that end by themselves."""

    @model_validator(mode="after")
    def _has_secret(self) -> Self:
        if self.turn and len(self.turn_secret) < 16:
            raise ValueError("turn needs a turn_secret of at least 16 characters")
        return self
