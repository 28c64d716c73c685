"""Browsers on a machine whose firewall lets nothing but TCP through, as in many offices. Each
machine is a network namespace, the firewall is the kernel's own. Needs root."""

import asyncio
import shutil
import subprocess

import pytest
from chromium import registered_chromium
from firefox import registered_firefox
from namespaces import Machines

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
SWITCH, OFFICE = "10.79.0.1", "10.79.0.2"
FIREWALL = """
table inet office {
    chain comes { type filter hook input priority 0; iifname != "lo" meta l4proto udp drop; }
    chain leaves { type filter hook output priority 0; oifname != "lo" meta l4proto udp drop; }
}
"""


@pytest.fixture
def machines():
    if shutil.which("nft") is None:
        pytest.skip("no nft(8) here: apt-get install nftables")
    made = Machines()
    try:
        for name in ("switch", "office"):
            made.add(name)
        made.cable("switch", [f"{SWITCH}/24"], "office", [f"{OFFICE}/24"])
        made.ip("office", "route", "add", "default", "via", SWITCH)
        with made.on("office"):
            subprocess.run(["nft", "-f", "-"], input=FIREWALL, text=True, check=True)
        yield made
    finally:
        made.remove()


@pytest.fixture
def web(machines, make_board):
    """A switch at the other end of the cable, with ICE over TCP."""
    with machines.on("switch"):
        board = make_board(host=SWITCH)
        board.web = board.second_port
        board.environment["SOFTSWITCH_MEDIA__ICE_TCP_PORT"] = str(board.trunk_port)
        board.environment["SOFTSWITCH_SIP__LISTEN"] += f",ws:{SWITCH}:{board.web}"
        board.start()
    yield board
    log = (board.folder / "var" / "softswitch.log").read_text()
    assert "level=error" not in log, log


@pytest.mark.parametrize(
    ("registered", "hears"),
    [
        (registered_chromium, "phone.peak().level > -60 && Math.abs(phone.peak().hertz - 440) < 5"),
        (registered_firefox, "phone.packets().then(found => found.energy > 0.01)"),
    ],
)
def test_a_browser_talks_by_tcp_where_a_firewall_drops_udp(
    machines, web, tmp_path, registered, hears
):
    async def test():
        async with registered(web, tmp_path, "ana") as ana:
            await ana.run("phone.call('*43')")
            await ana.until(hears, 60)  # its own tone
            await ana.until("phone.packets().then(found => found.received > 50)")
            assert (await ana.run("phone.packets()"))["protocol"] == "tcp"
            await ana.run("phone.session.terminate(), 1")
            await ana.until("phone.ended")

    with machines.on("office"):
        asyncio.run(asyncio.wait_for(test(), 250))
    assert web.cdr()["sip_status"] == 200
