"""Paying on a provider's page, with a provider that follows docs/payments.md by its own code."""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import re
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from served import Browserless, Served, served

pytestmark = pytest.mark.timeout(300)  # real processes, on machines that may be busy

SECRET = "a secret that both sides have, 42 long"
PAGE = "https://pay.example.org/checkout"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A switch whose subscribers pay at pay.example.org."""
    settings = {
        "SOFTSWITCH_PAYMENTS__PAGE_URL": PAGE, "SOFTSWITCH_PAYMENTS__MERCHANT": "tel",
        "SOFTSWITCH_PAYMENTS__SECRET": SECRET, "SOFTSWITCH_PAYMENTS__MOST": "500.00",
    }  # fmt: skip
    with served(tmp_path_factory.mktemp("portal"), environment=settings) as made:
        yield made


class Provider:
    """The provider: it reads the address that a payer comes with, and tells what happened."""

    def __init__(self, address: str) -> None:
        query, _, signature = urlsplit(address).query.rpartition("&signature=")
        assert address.startswith(f"{PAGE}?")
        assert sign(query.encode()) == signature
        self.asked = {name: values[0] for name, values in parse_qs(query).items()}

    def tell(self, *, at: float | None = None, secret: str = SECRET, **changed: str) -> int:
        """Call back; the status of the answer."""
        asked = self.asked
        told = {"order": asked["order"], "status": "paid", "amount": asked["amount"],
                "currency": asked["currency"], "reference": "P-77"}  # fmt: skip
        body = json.dumps(told | changed).encode()
        stamp = str(int(time.time() if at is None else at))
        signature = sign(f"{stamp}.".encode() + body, secret)
        headers = {"x-signature": f"t={stamp},v1={signature}", "content-type": "application/json"}
        return httpx.post(asked["callback_url"], content=body, headers=headers).status_code


def sign(message: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def begun(person: Browserless, amount: str) -> Provider:
    """Begin a payment in the cabinet, and follow the link."""
    shown = person.post("/money/top-up", do="payment_intent_add", amount=amount, language="en").text
    found = re.search(rf'href="({re.escape(PAGE)}[^"]+)"', shown)
    assert found is not None, shown
    return Provider(html.unescape(found[1]))


def balance(portal: Served) -> float:
    (account,) = portal.command("account", "show", "1")
    return float(str(account["balance"]))


def state(person: Browserless, provider: Provider) -> str:
    path = urlsplit(provider.asked["return_url"]).path
    found = re.search(r'data-state="(\w+)"', person.get(path).text)
    assert found is not None
    return found[1]


def test_A2_a_payment_that_the_provider_tells_of_three_times_counts_once(
    portal: Served, ana: Browserless
) -> None:
    before = balance(portal)
    assert 'href="/money/top-up"' in ana.get("/money").text
    provider = begun(ana, "20")
    asked = provider.asked
    assert (asked["merchant"], asked["amount"], asked["currency"]) == ("tel", "20.00", "GEL")
    assert state(ana, provider) == "open"
    assert balance(portal) == before
    assert [provider.tell() for _ in range(3)] == [204, 204, 204]
    assert balance(portal) == before + 20
    assert state(ana, provider) == "paid"
    assert provider.tell(status="failed") == 204  # what was paid stays paid
    assert state(ana, provider) == "paid"
    rows = portal.command("payment", "list", "--account", "1", "--method", "online")
    assert [row["payment_id"] for row in rows] == [f"online-{asked['order']}"]
    (intent,) = portal.command("payment", "online", "--account", "1", "--state", "paid")
    assert intent["reference"] == "P-77"


def test_a_payment_that_failed_changes_nothing_and_may_still_be_paid(
    portal: Served, ana: Browserless
) -> None:
    before = balance(portal)
    provider = begun(ana, "7.50")
    assert provider.tell(status="failed") == 204
    assert (state(ana, provider), balance(portal)) == ("failed", before)
    assert provider.tell() == 204
    assert (state(ana, provider), balance(portal)) == ("paid", before + 7.5)


def test_a_callback_of_somebody_else_or_of_another_payment_changes_nothing(
    portal: Served, ana: Browserless
) -> None:
    before = balance(portal)
    provider = begun(ana, "5")
    assert provider.tell(secret="x" * 32) == 403
    assert provider.tell(at=time.time() - 3600) == 403
    assert provider.tell(amount="500.00") == 409
    assert provider.tell(currency="USD") == 409
    assert provider.tell(order="0" * 32) == 404
    assert provider.tell(status="maybe") == 403
    unsigned = httpx.post(provider.asked["callback_url"], json={"order": provider.asked["order"]})
    assert unsigned.status_code == 403
    large = httpx.post(provider.asked["callback_url"], content=b"x" * 1_000_000)
    assert large.status_code == 413
    assert (state(ana, provider), balance(portal)) == ("open", before)


def test_while_the_switch_is_away_the_provider_is_asked_to_come_again(
    portal: Served, ana: Browserless
) -> None:
    before = balance(portal)
    provider = begun(ana, "3")
    portal.stop("serve")
    assert provider.tell() == 503
    portal.start("serve")
    deadline = time.monotonic() + 60
    while provider.tell() != 204:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert balance(portal) == before + 3


def test_an_amount_beyond_the_limits_is_refused_beside_its_field(ana: Browserless) -> None:
    for amount in ("0.50", "500.01", "-3", "many"):
        shown = ana.post("/money/top-up", do="payment_intent_add", amount=amount, language="en")
        assert shown.status_code in (409, 422), amount
        assert 'id="error-payment_intent_add-amount"' in shown.text, amount


def test_another_subscriber_does_not_see_a_payment(portal: Served, ana: Browserless) -> None:
    provider = begun(ana, "4")
    (added,) = portal.command("user", "add", "zaza", "--role", "subscriber", "--account", "2")
    zaza = Browserless(portal.url)
    zaza.first_sign_in("zaza", str(added["password"]))
    assert zaza.get(urlsplit(provider.asked["return_url"]).path).status_code == 404
