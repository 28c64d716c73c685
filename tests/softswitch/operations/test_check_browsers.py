"""What `check` says of browsers as phones."""

from pathlib import Path

import pytest

from softswitch.config.config import parse
from softswitch.operations.installation.check_media import browsers

SWITCH = """
[switch]
domain = "example.org"
country = "GE"
currency = "GEL"
[sip]
listen = ["udp:192.0.2.1:5060"{more}]
[media]
{media}
"""


@pytest.mark.parametrize(
    ("more", "media", "available", "ok", "detail"),
    [
        ("", "", True, None, "none: [sip] listen has no ws or wss"),
        (', "ws:192.0.2.1:8080"', "", True, True, "WebRTC by UDP alone"),
        (', "ws:192.0.2.1:8080"', "ice_tcp_port = 5349", True, True,
         "WebRTC by UDP, and TCP from port 5349 on"),
        (', "ws:192.0.2.1:8080"', 'webrtc = "off"', True, None, 'off by [media] webrtc = "off"'),
        (', "ws:192.0.2.1:8080"', "", False, False,
         "calls with browsers fail: pip install 'softswitch[webrtc]'"),
    ],
)  # fmt: skip
def test_browsers_are_checked_where_a_socket_for_them_listens(more, media, available, ok, detail):
    config = parse(SWITCH.format(more=more, media=media), Path("softswitch.toml"))
    row = browsers(config, available)
    assert row == {"check": "browsers", "ok": ok, "detail": detail}
