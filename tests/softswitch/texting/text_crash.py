"""Switches killed while they send texts: `python tests/softswitch/texting/text_crash.py`.

A process holds, stores and sends texts to a message centre that answers after 20 ms, and is killed
with -9 at a random point; the next one goes on, round after round. In the end every text that was
acknowledged has one end, the message centre has none twice, and every price is captured once or
released: what a text costs follows from its state alone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[2])]

from text_office import LARI, PRICE, Centre, Office  # noqa: E402

from billing.stores import hold_store  # noqa: E402
from smpp import segments  # noqa: E402
from softswitch.texting import settlement, store  # noqa: E402
from softswitch.texting.carrier import Carrier  # noqa: E402
from softswitch.texting.message import State  # noqa: E402
from softswitch.texting.sending import Payer, Quote, TextSending  # noqa: E402

TEXTS_A_ROUND = 60
ENDS = frozenset({State.SENT, State.UNKNOWN, State.DELIVERED})


async def work(folder: Path, port: int, number: int, said: int) -> None:
    """Send this round's texts, and those that earlier rounds left; say what is acknowledged."""
    desk = Office(folder, asyncio.get_running_loop())
    await desk.outbound.recover()
    with desk.books.reading() as connection:
        left = settlement.unsettled(connection, desk.now(), 10_000)
    desk.charging.reconcile(left)
    carrier = Carrier(id=1, name="c1", host="127.0.0.1", port=port, system_id="us", password="x")
    desk.outbound.use([carrier])
    sending = TextSending(
        desk.writer, desk.charging, desk.outbound, kept_days=7, max_kept=500, wall_ms=desk.now
    )

    async def send(key: str) -> None:
        text = f"{key} " * (30 if key.endswith("7") else 1)
        count = segments.count(text)
        # A phone of its own for each text, or segments of torn texts would be joined with others.
        phone = f"+995{number:04}{key.rpartition('-')[2]:>05}"
        quote = Quote(phone, "gsm", count, count * PRICE // 50, "GEL")
        await sending.send(Payer(desk.who), key, "Citynet", quote, text)
        os.write(said, f"{key}\n".encode())

    await asyncio.gather(*(send(f"text-{number}-{n}") for n in range(TEXTS_A_ROUND)))
    while True:
        with desk.books.reading() as connection:
            states = {text.state for text in store.page(connection, limit=100_000)}
        if states <= ENDS and not any(desk.sums()[1:]):
            return
        await asyncio.sleep(0.05)


def killed(folder: Path, port: int, number: int, chance: random.Random, *, end: bool) -> list[str]:
    """One process, killed at a random point or, if it is the last, left to end; what it said."""
    heard, said = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            asyncio.run(work(folder, port, number, said))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(said)
    if not end:
        time.sleep(0.02 + chance.random() * 0.5)
        os.kill(pid, signal.SIGKILL)
    told = b""
    while more := os.read(heard, 65_536):
        told += more
    os.close(heard)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == (0 if end else -signal.SIGKILL) or (not end and status == 0), status
    return told.decode().split()


def serve(centre: Centre, ready: threading.Event) -> None:
    """A message centre in a thread of its own, for as long as the process lives."""

    async def forever() -> None:
        await centre.start()
        ready.set()
        await asyncio.Event().wait()

    asyncio.run(forever())


def rounds(folder: Path, count: int, seed: int) -> str:
    """So many kills, then a process that goes on to the end; what was found in a sentence."""
    chance = random.Random(seed)
    loop = asyncio.new_event_loop()
    Office(folder, loop).books.close()  # the account has its money before the first death
    loop.close()
    centre, ready = Centre(), threading.Event()
    centre.delay_seconds = 0.02
    threading.Thread(target=serve, args=(centre, ready), daemon=True).start()
    assert ready.wait(10)
    said: list[str] = []
    for number in range(count + 1):
        said += killed(folder, centre.port, number, chance, end=number == count)
    return check(folder, said, centre)


def check(folder: Path, said: list[str], centre: Centre) -> str:
    """Compare what was acknowledged, what the message centre has, and the books."""
    loop = asyncio.new_event_loop()
    desk = Office(folder, loop)
    with desk.books.reading() as connection:
        texts = {text.text.origin: text for text in store.page(connection, limit=100_000)}
        held = list(hold_store.open_holds(connection))
    assert set(said) <= texts.keys(), "a text that was acknowledged is lost"
    got = Counter(text.split()[0] for text in centre.texts())
    twice = [key for key, times in got.items() if times > 1]
    assert twice == [], f"sent twice: {twice}"
    lost = [key for key, text in texts.items() if text.state is State.SENT and not got[key]]
    assert lost == [], f"called sent and never sent: {lost}"
    assert got.keys() <= texts.keys()
    paid = sum(text.text.price_micros for text in texts.values())
    # A process killed before it stored a text left a hold, released by a later round or in an hour.
    assert all(hold.id.removeprefix("text:") not in texts for hold in held), held
    account = desk.books.account(desk.who)
    assert account is not None
    assert account.balance_micros == 10 * LARI - paid
    assert account.reserved_micros == sum(hold.held_micros for hold in held)
    assert desk.books.verify() == []
    desk.books.close()
    loop.close()
    unknown = sum(text.state is State.UNKNOWN for text in texts.values())
    return f"{len(texts)} texts, {len(said)} acknowledged, {unknown} with an unknown outcome"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = rounds(Path(folder), given.rounds, given.seed)
    print(f"{given.rounds} kills: {found}; all right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
