"""The services that answer a call by themselves, by the names that [codes] gives them."""

from __future__ import annotations

from collections.abc import Mapping

from softswitch.call.service_call import Service
from softswitch.services.echo import echo

SERVICES: Mapping[str, Service] = {"echo": echo}


def answering(codes: Mapping[str, str]) -> dict[str, str]:
    """Of all codes those that something answers: code to name."""
    return {code: name for code, name in codes.items() if name in SERVICES}
