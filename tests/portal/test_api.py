"""The HTTP API: tokens and scopes, keys, refusals, and nothing of anybody else."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from served import Served

from softswitch.operations.registry import OPERATIONS
from softswitch.portal.api.calls import CALLS_OF_THE_API, NOT_OFFERED
from softswitch.portal.api.openapi import arguments_of, path_parameters
from softswitch.process.live import LIVE_OPERATIONS

DATABASES = ("sqlite", "postgresql")


def program(portal: Served, login: str, *scopes: str, **settings: str) -> httpx.Client:
    """A program that shows a token of a user."""
    options = [part for scope in scopes for part in ("--scope", scope)]
    options += [part for key, value in settings.items() for part in (f"--{key}", value)]
    (made,) = portal.command("token", "add", login, "program", *options)
    headers = {"authorization": f"Bearer {made['token']}"}
    return httpx.Client(base_url=f"{portal.url}/api/v1", headers=headers, timeout=30)


@pytest.fixture(scope="module")
def staff(portal: Served) -> httpx.Client:
    portal.command("user", "add", "robot", "--role", "admin")
    return program(portal, "robot", "*:write")


@pytest.fixture(scope="module")
def own(portal: Served) -> httpx.Client:
    portal.command("user", "add", "ana", "--role", "subscriber", "--account", "1")
    return program(portal, "ana", "*:write", account="1")


def test_the_table_has_each_operation_once() -> None:
    offered = {call.operation for call in CALLS_OF_THE_API}
    assert set(OPERATIONS) | set(LIVE_OPERATIONS) == offered | set(NOT_OFFERED)
    rows = [(call.method, re.sub(r"{\w+}", "{}", call.path)) for call in CALLS_OF_THE_API]
    assert len(set(rows)) == len(rows)
    for call in CALLS_OF_THE_API:
        assert set(path_parameters(call)) <= set(arguments_of(call)), call.path


def test_a_request_shows_a_good_token(portal: Served, own: httpx.Client) -> None:
    bare = httpx.get(f"{portal.url}/api/v1/accounts/1")
    assert (bare.status_code, bare.json()["code"]) == (401, "token_missing")
    wrong = httpx.get(
        f"{portal.url}/api/v1/accounts/1", headers={"authorization": "Bearer sw_live_x"}
    )
    assert (wrong.status_code, wrong.json()["code"]) == (401, "token_wrong")
    assert wrong.headers["content-type"] == "application/problem+json"
    assert own.get("/me").json() == {
        "user": "ana", "role": "subscriber", "account": 1, "lines": [], "token": "program",
        "scopes": ["*:write"],
    }  # fmt: skip
    assert own.get("/accounts/1").json()["name"] == "Ana"


def test_scopes_and_networks_narrow_a_token(portal: Served, own: httpx.Client) -> None:
    reader = program(portal, "ana", "accounts:read", account="1")
    assert reader.get("/accounts/1").status_code == 200
    refused = reader.get("/lines")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    written = reader.put("/accounts/1/notices-line", json={})
    assert (written.status_code, written.json()["code"]) == (403, "scope_missing")
    elsewhere = program(portal, "ana", "*:read", account="1", network="192.0.2.0/24")
    assert elsewhere.get("/accounts/1").status_code == 401


def test_a_revoked_token_is_worth_nothing_at_once(portal: Served, own: httpx.Client) -> None:
    client = program(portal, "ana", "*:read", account="1")
    assert client.get("/me").status_code == 200
    newest = portal.command("token", "list", "--login", "ana")[0]
    portal.command("token", "revoke", "ana", str(newest["id"]))
    assert client.get("/me").status_code == 401


def test_anothers_things_are_not_there(own: httpx.Client, staff: httpx.Client) -> None:
    for path in ("/accounts/2", "/accounts/2/ledger", "/lines/+995322000002", "/users/robot"):
        foreign = own.get(path)
        assert foreign.status_code == 404, path
        nowhere = own.get(re.sub(r"2$|2(?=/)|robot$", "999", path))
        assert foreign.json()["code"] == nowhere.json()["code"], path
        assert staff.get(path).status_code == 200, path


def test_a_payment_sent_again_with_its_key_is_made_once(
    portal: Served, staff: httpx.Client
) -> None:
    before = staff.get("/accounts/3").json()["balance"]
    body = {"amount": "5.00", "payment_id": "till-7"}
    key = {"idempotency-key": "till-7"}
    answers = [staff.post("/accounts/3/payments", json=body, headers=key) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    counted = [answer.json()["counted"] for answer in answers]
    assert counted == ["counted now", "counted before", "counted before"]
    after = staff.get("/accounts/3").json()["balance"]
    assert float(after) - float(before) == 5
    other = staff.post("/accounts/3/payments", json=body | {"amount": "6.00"}, headers=key)
    assert other.status_code == 409
    without = staff.post("/accounts/3/payments", json=body)
    assert (without.status_code, without.json()["code"]) == (422, "idempotency_key_missing")


def test_a_payment_terminal_checks_and_pays(portal: Served) -> None:
    portal.command("user", "add", "terminal", "--role", "accountant")
    till = program(portal, "terminal", "payments:read", "accounts:write")
    for reference in ("2", "+995322000002", "0322000002"):
        found = till.get("/payments/check", params={"reference": reference}).json()
        assert found == {"account": 2, "name": "B***", "currency": "GEL"}
    unknown = till.get("/payments/check", params={"reference": "+995322999999"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "account_not_found")
    body, key = {"amount": "1.50", "payment_id": "t-1"}, {"idempotency-key": "t-1"}
    assert till.post("/accounts/2/payments", json=body, headers=key).json()["balance"] == "11.50"
    assert till.get("/lines").status_code == 403


def test_unknown_and_forbidden_arguments_are_refused(own: httpx.Client) -> None:
    key = {"idempotency-key": "strange"}
    unknown = own.post("/accounts/1/packages", json={"product": "x", "colour": "red"}, headers=key)
    assert (unknown.status_code, unknown.json()["code"]) == (422, "argument_unknown")
    body = {"units": 100, "purchase_id": "p", "price": "0"}
    cheap = own.post("/accounts/1/wallets/sms/purchases", json=body, headers=key)
    assert (cheap.status_code, cheap.json()["code"]) == (403, "argument_for_operator")
    broken = own.post("/accounts/1/packages", content=b"[1", headers=key)
    assert (broken.status_code, broken.json()["code"]) == (422, "request_malformed")
    author = own.post(
        "/accounts/1/requests", json={"kind": "fault", "text": "x", "by": "boss"}, headers=key
    )
    assert author.status_code in (403, 422)


def test_a_flood_of_one_token_is_slowed(portal: Served, own: httpx.Client) -> None:
    client = program(portal, "ana", "*:read", account="1")
    answers = [client.get("/me/nothing") for _ in range(3)]
    assert {answer.status_code for answer in answers} == {404}
    found = [client.get("/accounts/1") for _ in range(300)]
    limited = [answer for answer in found if answer.status_code == 429]
    assert limited and limited[0].headers["retry-after"] == "1"
    assert int(found[0].headers["ratelimit-remaining"]) == 99


def test_the_description_names_every_request(portal: Served) -> None:
    described = httpx.get(f"{portal.url}/api/v1/openapi.json").json()
    rows = {(method, path) for path, item in described["paths"].items() for method in item}
    assert rows == {(call.method.lower(), f"/api/v1{call.path}") for call in CALLS_OF_THE_API}
    ids = [one["operationId"] for item in described["paths"].values() for one in item.values()]
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(described))) == {
        "#/components/schemas/Problem"
    }, "nothing is named that isn't there"
    assert "GET /api/v1/accounts/{account}" in httpx.get(f"{portal.url}/api/docs").text


def test_live_operations_answer(staff: httpx.Client) -> None:
    assert staff.get("/live-calls").json() == []
    assert staff.get("/live-calls/0000").status_code == 404
    assert staff.get("/guard").status_code == 200
