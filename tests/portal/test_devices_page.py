"""The cabinet's page of phones and apps: codes, links for desk phones, and removal."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from served import Browserless, Served, served


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SOFTSWITCH_PROVISIONING__URL", "https://prov.example.org")
        patched.setenv("SOFTSWITCH_PROVISIONING__CLOUD_ID", "EXAMPLE")
        with served(tmp_path_factory.mktemp("portal")) as made:
            yield made


@pytest.fixture(scope="module")
def page(portal: Served) -> str:
    """The path of the devices of Ana's line."""
    (line, *_) = portal.command("line", "list", "--account", "1")
    return f"/lines/{line['number']}/devices"


def devices(portal: Served) -> list[dict[str, object]]:
    return portal.command("device", "list")


def test_an_app_gets_a_code_that_is_shown_once(ana: Browserless, portal: Served, page: str) -> None:
    assert "/devices" in ana.get(page.removesuffix("/devices")).text
    shown = ana.post(page, do="provisioning_code_add", app="acrobits", name="Ana's mobile")
    assert 'data-page="device-made"' in shown.text
    assert re.search(r'<img src="data:image/svg\+xml[^"]+"', shown.text)
    (code,) = re.findall(r'<code class="secret" dir="ltr">([a-z2-9]{16})</code>', shown.text)
    listed = ana.get(page).text
    assert "Ana&#39;s mobile" in listed and code not in listed
    (device,) = devices(portal)
    assert (device["kind"], device["state"]) == ("acrobits", "waiting")
    ana.post(page, do="device_remove", device=device["id"])
    assert devices(portal) == []


def test_a_desk_phone_gets_a_link_and_one_set_up_by_hand_its_password(
    ana: Browserless, portal: Served, page: str
) -> None:
    shown = ana.post(page, do="device_add", kind="yealink", name="reception", mac="")
    (link,) = re.findall(r'dir="ltr">(https://prov.example.org/d/[a-z2-9]{16}/)<', shown.text)
    again = ana.post(page, do="device_enrol", device=devices(portal)[0]["id"])
    (other,) = re.findall(r'dir="ltr">(https://prov.example.org/d/[a-z2-9]{16}/)<', again.text)
    assert link != other
    shown = ana.post(page, do="device_add", kind="other", name="softphone")
    assert re.search(r'<code class="secret" dir="ltr">[a-z2-9]{22}</code>', shown.text)
    assert [row["state"] for row in devices(portal)] == ["waiting", "ready"]


def test_what_is_wrong_stands_at_its_field(ana: Browserless, page: str) -> None:
    refused = ana.post(page, do="device_add", kind="snom", name="", mac="00:15")
    assert refused.status_code == 422 and 'data-code="device_mac_malformed"' in refused.text
    assert ana.post(page, do="line_remove", number="+995322000101").status_code == 404


def test_another_subscribers_device_is_not_found(
    ana: Browserless, portal: Served, page: str
) -> None:
    (_, other, *_) = (row for row in portal.command("line", "list"))
    foreign = portal.command("device", "add", str(other["number"]), "--kind", "other")[0]["id"]
    if str(other["number"]) in page:
        pytest.skip("the demo's second line is Ana's")
    assert str(foreign) not in ana.get(page).text
    assert ana.post(page, do="device_remove", device=foreign).status_code == 404
    assert foreign in {row["id"] for row in devices(portal)}


def test_staff_find_a_device_by_its_mac_give_it_another_password_and_remove_it(
    admin: Browserless, portal: Served, page: str
) -> None:
    number = page.split("/")[2]
    (made,) = portal.command("device", "add", number, "--kind", "snom", "--mac", "000413922d24")
    (by_hand,) = portal.command("device", "add", number, "--kind", "other", "--name", "by hand")
    here = "/op/devices"
    shown = admin.get(here, search="00:04:13").text
    assert str(made["id"]) in shown and str(by_hand["id"]) not in shown
    assert 'value="device_resync"' in shown and here in admin.get("/op/registrations").text
    refused = admin.post(here, do="device_rotate", device=made["id"])
    assert refused.status_code == 409 and "device_not_enrolled" in refused.text
    assert admin.post(here, do="device_remove", device=made["id"]).status_code == 200
    assert str(made["id"]) not in {row["id"] for row in devices(portal)}
    only = admin.get(here, search="by hand").text
    assert str(by_hand["id"]) in only and 'value="device_rotate"' not in only
