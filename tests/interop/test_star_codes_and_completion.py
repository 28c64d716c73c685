"""Services of lines against a real process: set by phone, kept over a restart, done in time."""

import asyncio

from switchboard import ANA, BEKA, CIRA, until
from wire import SDP, StreamPhone


def run(test):
    asyncio.run(asyncio.wait_for(test, 60))


async def opened(board, login):
    phone = await StreamPhone.open(login, board.port)
    await phone.register()
    return phone


async def dial(phone, number, status):
    """Call, hear the final answer, and end what was answered."""
    target = f"sip:{number}@127.0.0.1"
    call_id = f"{phone.login}{number}".replace("%23", "h").replace("*", "s")
    await phone.prove("INVITE", target, body=SDP, call_id=call_id)
    answer = await phone.hear(status)
    to = answer.get(b"to").decode()
    if status == 200:
        contact = bytes(answer.contacts[0].uri).decode()
        await phone.request("ACK", contact, to=to, call_id=call_id, cseq=answer.cseq.number)
        await phone.request("BYE", contact, to=to, call_id=call_id)
        await phone.hear(200)


def services(board, number):
    rows = board.ask("line_service_list", number=number)
    return {row["service"]: row for row in rows if row["on"]}


def test_c2_a_star_code_is_carried_out_at_once_and_kept_over_a_restart(board):
    async def forward():
        beka = await opened(board, "beka")
        await dial(beka, f"*21*{CIRA[1:]}%23", 200)
        until(lambda: "forward_always" in services(board, BEKA), "the code is carried out")
        assert services(board, BEKA)["forward_always"]["numbers"] == [CIRA]
        await beka.close()

    async def call():
        ana, cira = [await opened(board, login) for login in ("ana", "cira")]
        target = f"sip:{BEKA}@127.0.0.1"
        await ana.prove("INVITE", target, body=SDP, call_id="on")
        invite = await cira.hear("INVITE")
        assert b"reason=unconditional" in invite.get(b"diversion")
        await cira.respond(invite, 486)
        await ana.hear(486)

    run(forward())
    assert board.stop() == 0
    board.start()
    run(call())


def test_d4_who_returns_after_a_restart_is_rung_shortly(board):
    async def fail():
        ana = await opened(board, "ana")
        await dial(ana, BEKA, 480)
        await ana.close()

    async def come_back():
        beka = await opened(board, "beka")
        invite = await beka.hear("INVITE")
        await beka.respond(invite, 180)
        assert invite.from_.uri.user == ANA
        cancel = await beka.hear("CANCEL")
        assert cancel.get(b"reason") is None
        await beka.respond(cancel, 200)
        await beka.respond(invite, 487)
        await beka.hear("ACK")
        await beka.close()

    run(fail())
    (row,) = until(lambda: board.ask("completion_list"), "somebody waits")
    assert (row["caller"], row["callee"], row["state"]) == (ANA, BEKA, "declined")
    assert board.stop() == 0
    board.start()
    run(come_back())
    until(lambda: board.ask("completion_list") == [], "nobody waits any more")


def test_c6_a_call_of_before_a_restart_is_traced(board):
    async def call():
        ana = await opened(board, "ana")
        beka = await opened(board, "beka")
        await ana.prove("INVITE", f"sip:*67{BEKA}@127.0.0.1", body=SDP, call_id="bad")
        await beka.respond(await beka.hear("INVITE"), 486)
        await ana.hear(486)

    async def mark():
        beka = await opened(board, "beka")
        await dial(beka, "*57", 200)

    run(call())
    until(lambda: len(board.ask("cdr_list")) == 1, "the call is recorded")
    assert board.stop() == 0
    board.start()
    run(mark())
    (row,) = until(lambda: board.ask("call_malicious"), "the call is marked")
    assert (row["line"], row["calling"], row["withheld"]) == (BEKA, ANA, True)
