"""The facts of this switch that phones are told, out of its configuration."""

from __future__ import annotations

from softswitch.config.config import Config
from softswitch.config.provisioning import PhoneTransport
from softswitch.provisioning.settings import Profile
from softswitch.provisioning.zone_files import zone_named
from softswitch.provisioning.zones import UTC, Zone

_PORTS: dict[PhoneTransport, int] = {"udp": 5060, "tcp": 5060, "tls": 5061}


def profile_of(config: Config) -> Profile:
    """The profile of all phones and apps."""
    section = config.provisioning
    transport = section.transport or _transport(config)
    return Profile(
        url=section.url.rstrip("/"),
        domain=config.switch.domain,
        server=section.server or config.switch.domain,
        backup_server=section.backup_server,
        port=section.port or _port(config, transport),
        transport=transport,
        codecs=section.codecs,
        codecs_cellular=section.codecs_cellular,
        stun=section.stun,
        ntp=section.ntp,
        zone=_zone(config.switch.time_zone),
        country=config.switch.country,
        language=config.switch.language,
        currency=config.switch.currency,
        title=config.operator.name,
        voicemail=config.codes.voicemail,
        refresh_hours=section.refresh_hours,
        admin_password=section.admin_password,
        cloud_id=section.cloud_id,
        needs_certificate=section.client_certificates == "required",
    )


def _transport(config: Config) -> PhoneTransport:
    return "tls" if any(each.transport == "tls" for each in config.sip.listen) else "udp"


def _port(config: Config, transport: PhoneTransport) -> int:
    ports = (each.port for each in config.sip.listen if each.transport == transport)
    return next(ports, _PORTS[transport])


def _zone(name: str) -> Zone:
    """The zone that phones are told of; UTC for one with rules that they have no words for."""
    try:
        return zone_named(name)
    except ValueError:
        return UTC
