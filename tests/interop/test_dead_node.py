"""A node dies while phones ring by it: its callers get an answer, and the phones stop."""

import asyncio
import shutil
import time

import pytest
from cluster import MODULES, NAMES, Cluster
from node_deaths import until
from stack_phone import StackPhone
from switchboard import BEKA, LINES

pytestmark = pytest.mark.long
CALLS = 12
WITHIN_SECONDS = 10.0


async def ringing_when_a_node_dies(cluster):
    """Ana's calls ring at Beka's; one node dies; some callers give up at that moment."""
    await until(lambda: cluster.serving() == set(NAMES), "both nodes serve", 60)
    edge = ("127.0.0.10", cluster.port)
    ana, beka = (StackPhone(login, f"127.0.0.2{place}", edge)
                 for place, login in enumerate(("ana", "beka")))  # fmt: skip
    for phone in (ana, beka):
        await phone.start()
        assert await phone.register() == 200
    beka.answers = False
    calls = [ana.call(BEKA) for _ in range(CALLS)]
    await until(lambda: len(beka.ringing) == CALLS, "all ring")
    doomed = len(cluster.nodes["one"].ask("call_list"))
    assert doomed, "the edge gave this node no call"
    cluster.kill("one")
    died_at = time.monotonic()
    cancelled = calls[:2]
    for session, _ in cancelled:
        ana.give_up(session)
    lived = [final for _, final in calls[2:]]
    await until(
        lambda: len(beka.ringing) == sum(not final.done() for final in lived) <= CALLS - doomed,
        "its phones stop, its callers are answered, the others ring on", WITHIN_SECONDS,
    )  # fmt: skip
    seconds = time.monotonic() - died_at
    statuses = [final.result() for _, final in calls if final.done()]
    for session, final in calls:
        if not final.done():
            ana.give_up(session)
    await until(lambda: not beka.ringing, "the living node's phones stop")
    beka.answers = True
    assert await asyncio.wait_for(ana.call(BEKA)[1], WITHIN_SECONDS) == 200
    ana.hang_up()
    await until(lambda: not cluster.nodes["two"].ask("call_list"), "all calls are over")
    for phone in (ana, beka):
        await phone.close()
    return statuses, seconds


def test_callers_of_a_dead_node_get_an_answer_and_its_phones_stop_ringing(
    own_database, tmp_path, monkeypatch
):
    monkeypatch.setenv("SOFTSWITCH_DATABASE__URL", own_database)
    if shutil.which("kamailio") is None or not MODULES:
        pytest.skip("Kamailio isn't installed (Debian package kamailio)")
    lines = {login: (LINES[login][0], "1000") for login in ("ana", "beka")}
    cluster = Cluster(tmp_path, own_database, lines)
    with cluster.running():
        statuses, seconds = asyncio.run(ringing_when_a_node_dies(cluster))
    assert set(statuses) <= {487, 503} and statuses.count(503) >= 1
    assert seconds < WITHIN_SECONDS
