"""A carrier and a business by another implementation of SMPP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import smpp34
from switchboard import Switchboard

RECEIPT = 0x04
TEXTS = """prefix,destination,connect_fee,per_minute,initial_increment,increment
995599,Mobile,0.05,0,1,1
"""


class Carrier:
    """A message centre by another implementation: it notes what it gets, and sends receipts.

    Args:
        prompt: send a receipt of each message once it is accepted.
    """

    def __init__(self, port: int, *, prompt: bool = False) -> None:
        self.prompt = prompt
        self.server = smpp34.Server("127.0.0.1", port, system_id="carrier")
        self.got: list[smpp34.SubmitSmEvent] = []
        self.esme: smpp34.Esme | None = None
        self.refuses = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Carrier:
        await self.server.start()
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self.server.stop()

    async def _serve(self) -> None:
        while True:
            event = await self.server.next()
            if isinstance(event, smpp34.Esme):
                self.esme = event
            elif isinstance(event, smpp34.SubmitSmEvent):
                if self.refuses:
                    event.reject(self.refuses)
                    continue
                self.got.append(event)
                event.accept(f"{len(self.got):X}A")
                if self.prompt:
                    await self.receipt(len(self.got))

    async def receipt(self, number: int, state: str = "DELIVRD") -> None:
        """Send the receipt of the message of this number, with its id in decimal."""
        assert self.esme is not None
        key = int(f"{number:X}A", 16)
        text = (
            f"id:{key} sub:001 dlvrd:001 submit date:2611290800 done date:2611290801 stat:{state}"
            " err:000 text:"
        )
        await self.esme.deliver_sm("Citynet", text.encode(), esm_class=RECEIPT)

    async def text(self, to: str, text: bytes, sender: str = "995577000001") -> int:
        """Send a text to a number of ours; the status with which it is answered."""
        assert self.esme is not None
        answered = await self.esme.deliver_sm(
            to.removeprefix("+"), text, source_addr=sender, source_addr_ton=1, dest_addr_ton=1
        )
        return int(answered.command_status)


@contextlib.asynccontextmanager
async def business(port: int, password: str = "secret1") -> AsyncIterator[smpp34.Smsc]:
    client = smpp34.Client("127.0.0.1", port, "shop", password)
    try:
        yield await client.connect()
    finally:
        await client.stop()


def opened(board: Switchboard, carrier_port: int, messages: int, *carrier: str) -> Switchboard:
    """The board, once account 1 may send as Citynet by the client "shop", has so many messages, and
    a carrier takes 995599; not started yet.

    Args:
        carrier: more options of the carrier.
    """
    (board.folder / "texts.csv").write_text(TEXTS)
    target = f"smpp://us:pw@127.0.0.1:{carrier_port}"
    for command in (
        ["tariff", "import", "texts.csv", "--name", "sms"],
        ["wallet", "offer", "sms", str(messages), "--price", "1"],
        ["wallet", "buy", "1", "sms", str(messages), "--purchase-id", "first"],
        ["sms", "grant", "1", "yes"],
        ["sms", "contract", "accept", "1"],
        ["sms", "sender", "add", "1", "Citynet"],
        ["sms", "sender", "approve", "1", "Citynet"],
        ["sms", "client", "add", "shop", "--account", "1", "--system-id", "shop",
         "--password", "secret1", "--from", "127.0.0.0/8"],
        ["sms", "carrier", "add", "alpha", "--target", target, "--prefix", "995599", *carrier],
    ):  # fmt: skip
        board.text(*command)
    return board
