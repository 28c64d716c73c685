"""kill -9 of a switch in the middle of a batch of texts, again and again:

    python tests/interop/batch_deaths.py --texts 10000 --kills 50

Real processes: a switch, killed at random moments and started again, and a carrier by another
implementation of SMPP. At the end the carrier has each text once; a text is missing only if its
outcome is unknown, and there are no more of these than messages without an answer at the kills;
every message of the wallet is captured or back; and the books add up.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from smpp_peers import Carrier, opened
from switchboard import Switchboard, free_ports, until

from billing.stores.store import Store

WINDOW = 20
ENDED_SECONDS = 600.0
SETTLED_SECONDS = 120.0
LONGEST_SECONDS = 3.0
"""The longest time from the start of sending to a kill."""


def batch_of(board: Switchboard, texts: int) -> str:
    """Begin a batch; its id."""
    phones = "phone,name\n" + "".join(f"+995599{n:06},N{n}\n" for n in range(texts))
    made = board.ask(
        "sms_batch_add", account="1", sender="Citynet", text="{name}, hello", to=phones
    )
    assert made["recipients"] == texts
    return str(made["id"])


async def kill(board: Switchboard, carrier: Carrier, chance: random.Random) -> None:
    """Start the switch, and kill it while it sends."""
    carrier.esme, before = None, len(carrier.got)
    await asyncio.to_thread(board.start)
    await asyncio.to_thread(until, lambda: carrier.esme, "the switch binds", 60.0)
    await asyncio.to_thread(until, lambda: len(carrier.got) > before, "the switch sends", 60.0)
    await asyncio.sleep(chance.random() * LONGEST_SECONDS)
    await asyncio.to_thread(board.stop, signal.SIGKILL)


async def deaths(board: Switchboard, port: int, texts: int, kills: int, seed: int) -> str:
    """The kills, then a switch that goes on to the end; what was found, in a sentence."""
    chance = random.Random(seed)
    async with Carrier(port) as carrier:
        await asyncio.to_thread(board.start)
        batch = await asyncio.to_thread(batch_of, board, texts)
        await asyncio.to_thread(board.stop, signal.SIGKILL)
        for _ in range(kills):
            await kill(board, carrier, chance)
        await asyncio.to_thread(board.start)

        def ended() -> bool:
            shown = board.ask("sms_batch_show", batch=batch)
            return not shown["waiting"] and not shown["sending"]

        await asyncio.to_thread(until, ended, "the batch ends", ENDED_SECONDS)
        shown = await asyncio.to_thread(board.ask, "sms_batch_show", batch=batch)

        def left() -> list[str]:
            wallets = board.ask("wallet_show", account="1")
            return [row["balance"] for row in wallets if row["wallet"] == "sms"]

        # What the deaths left uncaptured is captured some seconds after the batch's end.
        await asyncio.to_thread(until, lambda: left() == ["0.00"], "all is paid", SETTLED_SECONDS)
        assert await asyncio.to_thread(board.stop) == 0
    got = Counter(event.short_message for event in carrier.got)
    assert [text for text, times in got.items() if times > 1] == [], "sent twice"
    assert shown["sent"] + shown["unknown"] == texts, shown
    assert shown["sent"] <= len(got) <= texts, (len(got), shown)
    assert shown["unknown"] <= kills * WINDOW
    books = Store(f"sqlite:///{board.folder}/var/softswitch.db")
    assert books.verify() == []
    books.close()
    return (
        f"{kills} kills: of {texts} texts {shown['sent']} sent,"
        f" {shown['unknown']} with an unknown outcome ({len(got) - shown['sent']} of them arrived),"
        " none twice, none lost; the books add up"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rate", type=int, default=80, help="texts a second to the carrier")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    port, inward = free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        Switchboard.create(Path(folder))
        board = Switchboard(Path(folder), SMPP__LISTEN=f"127.0.0.1:{inward}")
        opened(board, port, given.texts, "--window", str(WINDOW), "--rate", str(given.rate))
        try:
            print(asyncio.run(deaths(board, port, given.texts, given.kills, given.seed)))
        finally:
            if board.process is not None:
                board.stop(signal.SIGKILL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
