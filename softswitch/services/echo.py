"""The echo test: callers hear themselves, and so check both directions of their sound."""

from __future__ import annotations

from softswitch.call.ivr.service_call import ServiceCall


async def echo(call: ServiceCall) -> None:
    """Return the caller's sound until the caller hangs up."""
    call.sound.hear("a", "echo")
    await call.until_hung_up()
