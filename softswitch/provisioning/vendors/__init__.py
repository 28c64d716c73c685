"""Configurations in the formats of desk phones' vendors: settings go in, octets come out.

The same settings give the same octets, for phones compare digests and restart when they differ.
"""

from __future__ import annotations

from typing import assert_never

from softswitch.provisioning.device import Phone
from softswitch.provisioning.settings import Settings
from softswitch.provisioning.vendors import cisco_spa, fanvil, grandstream, poly, snom, yealink


def configuration(kind: Phone, settings: Settings) -> tuple[str, bytes]:
    """The media type and the octets of a phone's configuration."""
    match kind:
        case "yealink":
            return "text/plain; charset=utf-8", yealink.configuration(settings)
        case "grandstream":
            return XML, grandstream.configuration(settings)
        case "snom":
            return XML, snom.configuration(settings)
        case "fanvil":
            return XML, fanvil.configuration(settings)
        case "poly":
            return XML, poly.configuration(settings)
        case "cisco_spa":
            return XML, cisco_spa.configuration(settings)
    assert_never(kind)


XML = "text/xml; charset=utf-8"
