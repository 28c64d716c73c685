"""The services that answer a call by themselves, by the names that [codes] gives them."""

from __future__ import annotations

from collections.abc import Mapping

from softswitch.admission.admission import STAR_CODE
from softswitch.call.service_call import Service
from softswitch.services.echo import echo
from softswitch.services.star_codes import malicious, star_code

SERVICES: Mapping[str, Service] = {
    "echo": echo,
    "malicious": malicious,
    STAR_CODE: star_code,
}


def answering(codes: Mapping[str, str]) -> dict[str, str]:
    """Of all codes those that something answers: code to name."""
    return {code: name for code, name in codes.items() if name in SERVICES}
