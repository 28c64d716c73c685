"""The browser phone of the cabinet: what a page needs to register as a line's phone."""

from __future__ import annotations

import secrets

from billing.facts.cdr import show_stamp
from softswitch.admission.browser_passes import PASS_SECONDS, BrowserPasses
from softswitch.admission.turn_credentials import turn_credentials
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.installation.setup import nonce_secret


def line_browser_pass(context: Context, line: str) -> Row:
    """Credentials of half an hour for a browser phone of one's own line, where it registers, and
    the TURN servers that it may use. The passwords are shown this once; the line's own password
    isn't given out."""
    found = context.line(line)
    server = context.config.portal.phone_url
    if not server:
        raise OperationError("browser_phone_off")
    passes = BrowserPasses(nonce_secret(context.config), context.config.realm)
    now = context.now_ms() / 1000
    made = passes.issue(found.login, now, secrets.token_bytes(8))
    return {
        "line": found.number,
        "user": found.login,
        "domain": context.config.switch.domain,
        "auth_username": made.username,
        "password": made.password,
        "server": server,
        "ends_at": show_stamp(made.ends_at * 1000),
        "ice_servers": _ice_servers(context, found.login, int(now)),
    }


def _ice_servers(context: Context, login: str, now: int) -> list[Row]:
    """The TURN servers as RTCPeerConnection takes them, with credentials that outlast a call that
    begins while the pass is good."""
    section = context.config.webrtc
    if not section.turn:
        return []
    ends_at = now + PASS_SECONDS + context.config.calls.max_duration_seconds
    made = turn_credentials(section.turn_secret, login, ends_at)
    return [{"urls": list(section.turn), "username": made.username, "credential": made.password}]
