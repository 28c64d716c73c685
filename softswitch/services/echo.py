"""The echo test: callers hear themselves, and so whether their sound arrives and comes back."""

from __future__ import annotations

from softswitch.call.ivr.service_call import ServiceCall


async def echo(call: ServiceCall) -> None:
    """Give back what is said until the caller has had enough."""
    call.sound.hear("a", "echo")
    await call.until_hung_up()
