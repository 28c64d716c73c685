"""Requests for money that are sent three times at once while the portal or the switch is killed,
and once more afterwards: each is posted once."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest
from served import Served

DATABASES = ("sqlite", "postgresql")

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


@dataclass
class Robot:
    """A program that pays.

    Args:
        name: begins its payment ids. Its keys are those of every other robot.
        product: the package that it buys.
    """

    portal: Served
    name: str
    token: str
    product: str

    def send(self, path: str, number: int) -> tuple[int, str]:
        """The status and body of an answer; 0: none came."""
        kind = path.rsplit("/", 1)[1]
        given = {IDS[kind]: f"{self.name}-{kind}-{number}"} if kind in IDS else {}
        body = POSTS[path] | given | ({"product": self.product} if kind == "packages" else {})
        headers = {"authorization": f"Bearer {self.token}", "idempotency-key": f"{kind}-{number}"}
        try:
            url = f"{self.portal.url}/api/v1{path}"
            answer = httpx.post(url, json=body, headers=headers, timeout=30)
        except httpx.TransportError:
            return 0, ""
        return answer.status_code, answer.text


@dataclass
class Clerk:
    """A program that changes what no posting id names."""

    portal: Served
    token: str

    def send(self, path: str, key: str, body: dict[str, object]) -> tuple[int, str]:
        """The status and the code of an answer; 0: none came."""
        headers = {"authorization": f"Bearer {self.token}", "idempotency-key": key}
        try:
            url = f"{self.portal.url}/api/v1{path}"
            answer = httpx.post(url, json=body, headers=headers, timeout=30)
        except httpx.TransportError:
            return 0, ""
        kept = answer.json() if answer.content else {}
        return answer.status_code, str(kept.get("code", "")) if isinstance(kept, dict) else ""

    def insist(self, path: str, key: str, body: dict[str, object]) -> tuple[int, str]:
        """The answer of a switch that is there."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            status, code = self.send(path, key, body)
            if status not in (0, 503):
                return status, code
            time.sleep(0.2)
        raise TimeoutError(path)


def balance(portal: Served) -> int:
    row = next(row for row in portal.command("account", "list") if row["id"] == 3)
    return round(float(str(row["balance"])) * 100)


@pytest.mark.parametrize("killed", ["portal", "serve"])
def test_each_is_posted_once(portal: Served, killed: str) -> None:
    login, product = f"robot-{killed}", f"evening-{killed}"
    portal.command("user", "add", login, "--role", "admin")
    (made,) = portal.command("token", "add", login, "t", "--scope", "*:write")
    robot = Robot(portal, login, str(made["token"]), product)
    terms = ("--price", "1", "--term", "24 hours", "--scope", "on_net")
    portal.command("package", "define", product, *terms)
    portal.command("account", "topup", "3", "50", "--payment-id", f"before-{killed}")
    before, answers = balance(portal), Counter[int]()
    for number in range(ROUNDS):
        posts = [path for path in POSTS if not path.endswith("packages") or number == 0]
        with ThreadPoolExecutor(12) as threads:
            begun = [threads.submit(robot.send, path, number) for path in posts for _ in range(3)]
            time.sleep(0.1 * number)
            portal.stop(killed, signal.SIGKILL)
            starting = threading.Thread(target=portal.start, args=(killed,))
            starting.start()
            answers.update(one.result()[0] for one in begun)
            starting.join()
        for path in posts:
            status, body = robot.send(path, number)
            assert status == 200, (path, number, body)
    assert balance(portal) - before == sum(
        change * (1 if kind == "packages" else ROUNDS) for kind, change in CHANGE.items()
    )
    assert answers[0] + answers[503] > 0


@pytest.mark.parametrize("killed", ["portal", "serve"])
def test_other_changes_are_done_once(portal: Served, killed: str) -> None:
    login = f"clerk-{killed}"
    portal.command("user", "add", login, "--role", "admin")
    (made,) = portal.command("token", "add", login, "t", "--scope", "*:write")
    clerk = Clerk(portal, str(made["token"]))
    portal.command("user", "add", f"new-{killed}", "--role", "support")
    password = f"/users/new-{killed}/password"
    unfinished = 0
    for number in range(ROUNDS):
        posts: list[tuple[str, dict[str, object]]] = [
            ("/accounts/3/notes", {"text": f"{killed} {number}"}),
            ("/users", {"login": f"{killed}-{number}", "role": "support"}),
            (password, {}),
        ]
        with ThreadPoolExecutor(9) as threads:
            for post in posts:
                for _ in range(3):
                    threads.submit(clerk.send, post[0], f"{killed}-{number}-{post[0]}", post[1])
            time.sleep(0.03 * number)
            portal.stop(killed, signal.SIGKILL)
            portal.start(killed)
        for path, body in posts:
            status, code = clerk.insist(path, f"{killed}-{number}-{path}", body)
            assert status == 200 or code == "request_unfinished", (path, status, code)
            unfinished += code == "request_unfinished"
            assert code == "" or path != password
    headers = {"authorization": f"Bearer {clerk.token}"}
    notes = httpx.get(f"{portal.url}/api/v1/accounts/3/notes", headers=headers).json()
    texts = Counter(row["text"] for row in notes)
    users = Counter(str(row["login"]) for row in portal.command("user", "list"))
    for number in range(ROUNDS):
        assert texts[f"{killed} {number}"] == 1
        assert users[f"{killed}-{number}"] == 1
    assert unfinished <= 2, "the answer of a creation is lost in a moment alone"
