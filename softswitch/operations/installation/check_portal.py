"""A check of the web: whether the portal answers, or could begin."""

from __future__ import annotations

import http.client

from softswitch.config.config import Config
from softswitch.config.portal import PortalListen
from softswitch.control.values import Row

TIMEOUT_SECONDS = 2.0


def portal(config: Config) -> Row:
    """The row of the portal: ok if it answers; that doesn't apply while it isn't running, unless
    another program has its address."""
    listen = config.portal.listen
    state = _answer(listen)
    if state == "portal":
        return {"check": "portal", "ok": True, "detail": f"answers at {config.portal.url}"}
    if state == "":
        detail = f"isn't running: `softswitch portal` serves {listen}"
        return {"check": "portal", "ok": None, "detail": detail}
    detail = f"another program answers at {listen}; [portal] listen chooses"
    return {"check": "portal", "ok": False, "detail": detail}


def _answer(listen: PortalListen) -> str:
    """Which program answers: "portal", "other", or "" for none."""
    connection = http.client.HTTPConnection(listen.host, listen.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return "portal" if answer.read(16) == b"ok\n" else "other"
    except ConnectionRefusedError:
        return ""
    except (TimeoutError, OSError, http.client.HTTPException):
        return "other"
    finally:
        connection.close()
