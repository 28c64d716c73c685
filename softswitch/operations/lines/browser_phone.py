"""The browser phone of the cabinet: what a page needs to register as a line's phone."""

from __future__ import annotations

import secrets

from billing.facts.cdr import show_stamp
from softswitch.admission.browser_passes import BrowserPasses
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.installation.setup import nonce_secret


def line_browser_pass(context: Context, line: str) -> Row:
    """Credentials of half an hour for a browser phone of one's own line, and where it registers.
    The password is shown this once; the line's own password isn't given out."""
    found = context.line(line)
    server = context.config.portal.phone_url
    if not server:
        raise OperationError("browser_phone_off")
    passes = BrowserPasses(nonce_secret(context.config), context.config.realm)
    made = passes.issue(found.login, context.now_ms() / 1000, secrets.token_bytes(8))
    return {
        "line": found.number,
        "user": found.login,
        "domain": context.config.switch.domain,
        "auth_username": made.username,
        "password": made.password,
        "server": server,
        "ends_at": show_stamp(made.ends_at * 1000),
    }
