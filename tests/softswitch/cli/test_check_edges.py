"""`softswitch check` on proxies in front of the switch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from sip.flow import Flow
from sip.registrar import Binding
from softswitch.config import config
from softswitch.operations.installation.setup import opened

if TYPE_CHECKING:
    from command_line import Softswitch

PATH = b"<sip:192.0.2.5;lr;received=sip:203.0.113.7:40007>"


def test_registrations_by_an_unlisted_proxy_are_warned_of(
    softswitch: Softswitch, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def row() -> dict[str, object]:
        rows = softswitch("check", "-o", "json").json
        return next(row for row in rows if row["check"] == "edges")

    assert row()["ok"] is None
    flow = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.5", 5060))
    now = time.time()
    binding = Binding(
        "ana", b"sip:ana@10.0.0.7", "c", 1, 1.0, now + 60, flow, None, "phone", now, (PATH,)
    )
    with opened(config.load(folder / "softswitch.toml")) as context:
        login = context.directory.lines()[0].login
        context.directory.save_bindings({login: [replace(binding, aor=login)]})
    told = row()
    assert told["ok"] is False and "192.0.2.5: list them in [sip] edges" in str(told["detail"])
    listed = softswitch("registration", "list", "-o", "json").json
    assert listed[0]["source"] == "192.0.2.5:5060"
    monkeypatch.setenv("SOFTSWITCH_SIP__EDGES", "192.0.2.5")
    assert row() == {"check": "edges", "ok": True, "detail": "192.0.2.5/32"}
    listed = softswitch("registration", "list", "-o", "json").json
    assert listed[0]["source"] == "203.0.113.7:40007"
