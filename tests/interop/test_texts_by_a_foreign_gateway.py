"""Texts of every kind from a foreign gateway through a real switch to a foreign carrier, and their
receipts back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from foreign_gateway import DELIVERED, Gateway
from smpp_peers import Carrier, opened
from switchboard import Switchboard, free_ports, until

from smpp import gsm, segments

KINDS = (
    ("Hello", False),
    ("€[]{}^~|\\ and @£$¥", False),
    ("A long text in the GSM alphabet, with € and [brackets]. " * 8, False),
    ("გამარჯობა", True),
    ("ქართული ტექსტი სამ ნაწილად. " * 6, True),
    ("x" * 69 + "😀", True),
    ("x" * 66 + "😀" + "y" * 20, True),
    ("x" * 70, True),
)
"""Texts, and True for UCS-2: also with a pair of surrogates where a segment ends."""
ROUNDS = 5


@pytest.fixture
def ports() -> list[int]:
    return free_ports(2)


@pytest.fixture
def board(make_board, ports: list[int]) -> Switchboard:
    """A switch whose account 1 may send as Citynet, with 200 SMS."""
    made = opened(make_board(SMPP__LISTEN=f"127.0.0.1:{ports[0]}"), ports[1], 200)
    made.start()
    return made


def joined(carrier: Carrier) -> dict[str, str]:
    """Texts as phones show them, by recipient."""
    waiting, found = segments.Reassembly(), {}
    for event in carrier.got:
        octets: tuple[bytes, ...] | None = (event.short_message,)
        if event.esm_class & 0x40:
            part, rest = segments.read_header(event.short_message)
            assert part is not None
            octets = waiting.add(event.source_addr, event.destination_addr, part, rest, 0.0)
        if octets is not None:
            text = gsm.text_of(b"".join(octets), event.data_coding)
            assert text is not None
            found[event.destination_addr] = text
    return found


def test_texts_arrive_bit_by_bit_with_one_receipt_each_and_are_paid_by_segment(
    board: Switchboard, ports: list[int], tmp_path: Path
) -> None:
    sent = {
        f"9955990{number:05}": (number, text, ucs2)
        for number, (text, ucs2) in enumerate(KINDS * ROUNDS)
    }

    async def talk() -> None:
        async with Carrier(ports[1], prompt=True) as carrier:
            await asyncio.to_thread(until, lambda: carrier.esme, "the switch binds")
            gateway = await asyncio.to_thread(Gateway, tmp_path / "gateway", ports[0])
            try:
                for to, (number, text, ucs2) in sent.items():
                    taken = await asyncio.to_thread(
                        gateway.send, number, f"+{to}", text, "Citynet", ucs2=ucs2
                    )
                    assert taken.startswith("0:"), taken
                arrived = lambda: len(joined(carrier)) == len(sent)  # noqa: E731
                await asyncio.to_thread(until, arrived, "all have arrived", 60)
                reported = lambda: len(delivered(gateway)) == len(sent)  # noqa: E731
                await asyncio.to_thread(until, reported, "all receipts have come", 60)
                assert set(delivered(gateway).values()) == {1}
            finally:
                await asyncio.to_thread(gateway.close)
            assert joined(carrier) == {to: text for to, (_, text, _) in sent.items()}
            balance = board.ask("wallet_show", account="1")[1]["balance"]
            assert balance == f"{200 - len(carrier.got)}.00"
        assert board.cli("ledger", "verify")

    asyncio.run(talk())


def delivered(gateway: Gateway) -> dict[int, int]:
    """How many reports of delivery each text has."""
    return {number: n for (number, kind), n in gateway.told.items() if kind == DELIVERED}
