"""Connections that break while a call talks, and phones that come back by another one."""

import asyncio

import pytest
from switchboard import BEKA, until
from wire import SDP, StreamPhone

INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000000000001>";reg-id=1'


async def open_phone(board, login, host):
    """A phone that nobody can connect to, whether its Contact looks like that or not."""
    phone = await StreamPhone.open(login, board.port)
    port = phone.writer.get_extra_info("sockname")[1]
    phone.contact = f"<sip:{login}@{host}:{port};transport=tcp;ob>;{INSTANCE}"
    await phone.register("Supported: outbound, path")
    return phone


async def answer(caller, called):
    """The dialog's Contact and To, as the caller has them."""
    await caller.prove("INVITE", f"sip:{BEKA}@127.0.0.1", body=SDP, call_id="moving")
    await called.respond(await called.hear("INVITE"), 200, body=SDP)
    answered = await caller.hear(200)
    to, target = answered.get(b"to").decode(), bytes(answered.contacts[0].uri).decode()
    await caller.request("ACK", target, to=to, call_id="moving", cseq=answered.cseq.number)
    await called.hear("ACK")
    return target, to


async def comes_back(board, phone, host):
    """Its connection breaks, and it registers by a new one."""
    await phone.close()
    if host == "phone.invalid":
        lost = lambda: len(board.ask("registration_list")) == 1  # noqa: E731
        await asyncio.to_thread(until, lost, "the broken connection is noticed")
    return await open_phone(board, phone.login, host)


@pytest.mark.parametrize("mover", ["caller", "called"])
@pytest.mark.parametrize("host", ["phone.invalid", "127.0.0.1"])
def test_a_call_outlives_the_connection_of_its_phone(board, mover, host):
    async def test():
        ana, beka = [await open_phone(board, login, host) for login in ("ana", "beka")]
        target, to = await answer(ana, beka)
        if mover == "called":
            beka = await comes_back(board, beka, host)
            assert len(board.ask("call_list")) == 1
            await ana.request("BYE", target, to=to, call_id="moving")
            await beka.respond(await beka.hear("BYE"), 200)
            await ana.hear(200)
        else:
            ana = await comes_back(board, ana, host)
            (call,) = board.ask("call_list")
            board.ask("call_hangup", call_id=call["id"])
            for phone in (ana, beka):
                await phone.respond(await phone.hear("BYE"), 200)
        for phone in (ana, beka):
            await phone.close()

    asyncio.run(asyncio.wait_for(test(), 60))
    record = board.cdr()
    ended_by = "caller" if mover == "called" else "operator"
    assert (record["sip_status"], record["ended_by"]) == (200, ended_by)
