"""Requests for money that are sent three times at once while the portal or the switch is killed,
and once more afterwards: each is posted once."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from served import Served

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
ROUNDS = 8
POSTS: dict[str, dict[str, object]] = {
    "/accounts/3/payments": {"amount": "7.00"},
    "/accounts/3/refunds": {"amount": "0.50"},
    "/accounts/3/wallets/sms/purchases": {"units": 10, "price": "0.30"},
    "/accounts/3/packages": {},
}
IDS = {"payments": "payment_id", "refunds": "refund_id", "purchases": "purchase_id"}
"""Arguments that name the posting; a package's comes from the key."""
CHANGE = {"payments": 700, "refunds": -50, "purchases": -30, "packages": -100}
"""What one request does to the balance, in hundredths."""


def send(portal: Served, token: str, path: str, number: int) -> int:
    """The status of an answer; 0: none came."""
    kind = path.rsplit("/", 1)[1]
    body = POSTS[path] | ({IDS[kind]: f"{kind}-{number}"} if kind in IDS else {})
    headers = {"authorization": f"Bearer {token}", "idempotency-key": f"{kind}-{number}"}
    try:
        url = f"{portal.url}/api/v1{path}"
        return httpx.post(url, json=body, headers=headers, timeout=30).status_code
    except httpx.TransportError:
        return 0


def balance(portal: Served) -> int:
    row = next(row for row in portal.command("account", "list") if row["id"] == 3)
    return round(float(str(row["balance"])) * 100)


@pytest.mark.parametrize("killed", ["portal", "serve"])
def test_each_is_posted_once(portal: Served, killed: str) -> None:
    login = f"robot-{killed}"
    portal.command("user", "add", login, "--role", "admin")
    (made,) = portal.command("token", "add", login, "t", "--scope", "*:write")
    token = str(made["token"])
    terms = ("--price", "1", "--term", "24 hours", "--scope", "on_net")
    portal.command("package", "define", f"evening-{killed}", *terms)
    POSTS["/accounts/3/packages"] = {"product": f"evening-{killed}"}
    portal.command("account", "topup", "3", "50", "--payment-id", f"before-{killed}")
    before, answers = balance(portal), Counter[int]()
    for number in range(ROUNDS):
        posts = [path for path in POSTS if not path.endswith("packages") or number == 0]
        with ThreadPoolExecutor(12) as threads:
            begun = [
                threads.submit(send, portal, token, path, number)
                for path in posts
                for _ in range(3)
            ]  # fmt: skip
            time.sleep(0.1 * number)
            portal.stop(killed, signal.SIGKILL)
            starting = threading.Thread(target=portal.start, args=(killed,))
            starting.start()
            answers.update(one.result() for one in begun)
            starting.join()
        after = [send(portal, token, path, number) for path in posts]
        assert after == [200] * len(posts)
    assert balance(portal) - before == sum(
        change * (1 if kind == "packages" else ROUNDS) for kind, change in CHANGE.items()
    )
    assert answers[0] + answers[503] > 0
