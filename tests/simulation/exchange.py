"""A whole switch, its phones and its trunks in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from dataclasses import replace
from pathlib import Path

from fresh_books import fresh_books, next_due
from phones import Phone
from sqlalchemy import event
from world import SWITCH, Address, VirtualLoop, Wire, WireSocket

from billing.facts.authorization import AddAccount, ReplaceTariff, TopUp
from billing.facts.product import Product, Subscription
from billing.facts.rate import Rate
from billing.facts.sales import NOTICE_KIND, BuyPackage, DefineProduct
from billing.stores import sales_store
from billing.stores.group_commit import AccountsChanged, GroupCommit
from billing.stores.store import Store
from rtp.local import LocalMedia
from rtp.session import MediaSettings
from sip.digest import Algorithm, ha1
from sip.flow import Flow
from sip.uri import Uri
from softswitch.call.letters import Silent
from softswitch.call.ringing.app_waker import nothing_posted
from softswitch.cluster.events import Bus
from softswitch.config.config import parse
from softswitch.control.watch import WatchHub
from softswitch.operations.context import rented_numbers
from softswitch.process.composition import Books, Machine, Network
from softswitch.process.switch import Switch
from softswitch.process.working_set import WorkingSet
from softswitch.prompts.library import PromptLibrary
from softswitch.scheduled.due import run_due
from softswitch.subscribers.directory import Line, Source, Trunk
from softswitch.subscribers.directory_store import DirectoryStore
from softswitch.voicemail.store import VoicemailStore

EPOCH_MS = 1_800_000_000_000
PORTS = (20_000, 21_999)
CONFIG = """
[switch]
domain = "example.org"
country = "GE"
currency = "GEL"
time_zone = "Asia/Tbilisi"
[sip]
listen = ["udp:192.0.2.1:5060"]
algorithms = ["MD5"]
"""


async def at_once(work, *arguments):
    """Replaces a thread: nothing runs beside it in virtual time."""
    return work(*arguments)


class SilentLog:
    """Keeps what was logged as an error, so that a test can look at it."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, dict]] = []
        self.warnings: list[tuple[str, dict]] = []
        self.refused: list[dict] = []
        """Requests outside dialogs that were refused."""
        self.announcements: list[tuple[str, str]] = []
        """Language and tokens of each, in order."""

    def info(self, event, **values):
        if event == "request refused":
            self.refused.append(values)
        if event == "announcement":
            self.announcements.append((values["language"], values["tokens"]))

    def warning(self, event, **values):
        self.warnings.append((event, values))

    def error(self, event, **values):
        self.errors.append((event, values))

    exception = error


class MediaNetwork:
    """Carries what the relay sends; the relay's ports sit on the switch's address."""

    def __init__(self, wire: Wire, host: str) -> None:
        self._wire = wire
        self._host = host
        self.dead = False

    def send(self, local_port: int, data: bytes, target: Address) -> None:
        if self.dead:
            return
        self._wire.send(data, (self._host, local_port), target)


class Exchange:
    """One switch with everything around it, on a wire with faults.

    Args:
        beside: another switch on the same wire.
        bus: to the other nodes of a cluster.
    """

    def __init__(
        self,
        seed: int,
        *,
        loss=0.0,
        duplicates=0.0,
        store: Store | None = None,
        config: str = "",
        prompts: PromptLibrary | None = None,
        workers: int = 1,
        address: Address = SWITCH,
        beside: Exchange | None = None,
        bus: Bus | None = None,
        node: str = "",
    ):
        self.folder = tempfile.TemporaryDirectory()
        self.address = address
        self._flows: dict[Address, Flow] = {}
        """One for all messages from an address, as a socket of the switch keeps them."""
        text = CONFIG.replace(SWITCH[0], address[0]).replace("[sip]", f'node = "{node}"\n[sip]')
        text += config
        self.config = parse(text, Path(self.folder.name) / "softswitch.toml")
        self.config.voicemail_dir.mkdir(parents=True)
        if beside is None:
            self.rng = random.Random(seed)
            self.loop = VirtualLoop()
            asyncio.set_event_loop(self.loop)
            self.wire = Wire(self.loop, self.rng, loss=loss, duplicates=duplicates)
        else:  # another switch on the same wire
            self.rng, self.loop, self.wire = beside.rng, beside.loop, beside.wire
        self.store = store or fresh_books()
        self.bus = bus
        event.listen(self.store.engine, "commit", self._write)
        self._written, self._next_due = True, None
        self.log = SilentLog()
        self.clock_step_ms = 0
        """The steps of the wall clock so far."""
        self.cdrs: list = [] if beside is None else beside.cdrs
        self.dead = False
        self.phones: list[Phone] = []
        known = WorkingSet()
        self.directory, self.tariffs = known.directory, known.tariffs
        self.assignments, self.entitlements = known.assignments, known.entitlements
        self.hosts: dict[str, list[str]] = {}
        self.certificates: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.post = nothing_posted
        """Takes push messages."""
        self._network = MediaNetwork(self.wire, address[0])
        self._socket = WireSocket(self.wire, address)
        self.media = LocalMedia(
            self.loop,
            self._network,
            PORTS,
            MediaSettings(quarantine_seconds=1.0),
            workers=workers,
            address=address[0],
            epoch_offset_ms=EPOCH_MS - 1_000_000,
            shuffle=self.rng.shuffle,
            on_silent=self._silent,
        )
        self.has_lease = True
        """False: the database is away, and another node may take over."""
        self.messages = VoicemailStore(self.store.engine)
        self.hub = WatchHub()
        self.switch = self._switch(known, prompts)
        self.money, self.voicemail = self.switch.money, self.switch.voicemail
        self.recordings = self.switch.recordings
        endpoint = self.switch.endpoint
        endpoint.attach(address, self._socket)
        self.wire.attach(address, self._receive)
        self.wire.attach_host(address[0], self.media.receive)
        self.loop.call_soon(self.switch.completion.resume)
        self.loop.call_later(5.0, self._journal)
        self.loop.call_later(1.0, self._do_due_work)

    def _switch(self, known: WorkingSet, prompts: PromptLibrary | None) -> Switch:
        def open_money(changed: AccountsChanged) -> GroupCommit:
            return GroupCommit(
                self.store.apply,
                self.loop,
                run_in_thread=False,
                gather_seconds=0.002,
                on_accounts_changed=changed,
            )

        return Switch(
            self.config,
            Machine(self.loop, at_once, self.wall_ms, self.rng.getrandbits, b"n" * 32, self.log),
            Network(
                self.media,
                trunk_flows=self,
                fetch=self.fetch,
                post=lambda url, body: self.post(url, body),
            ),
            Books(
                self.store,
                known,
                open_money,
                self.cdrs.append,
                bindings=self,
                admits=lambda: self.has_lease,
                bus=self.bus,
            ),
            self.hub,
            prompts=prompts,
        )

    def wall_ms(self) -> int:
        return EPOCH_MS + self.clock_step_ms + round((self.loop.time() - 1000.0) * 1000)

    def changed(self, aor, registration) -> None:
        """Bindings aren't kept here."""

    def _receive(self, data: bytes, source: Address) -> None:
        flow = self._flows.get(source)
        if flow is None:
            flow = self._flows[source] = Flow("udp", self.address, source)
        self.switch.endpoint.receive(data, flow)

    def _silent(self, session, last_packet_at) -> None:
        if session.owner is not None:
            at = None if last_packet_at is None else self.media.monotonic(last_packet_at)
            session.owner.post(Silent(at))

    def first(self, trunk: Trunk) -> Flow:
        return self.addresses(trunk)[0]

    async def find(self, trunk: Trunk) -> list[Flow]:
        return self.addresses(trunk)

    async def fetch(self, url: str) -> bytes:
        """The certificates at an address, of those that `certificates` has."""
        self.fetched.append(url)
        return self.certificates[url]

    def enlarge(self, flow: Flow) -> None:
        """The wire carries datagrams only."""

    def addresses(self, trunk: Trunk) -> list[Flow]:
        """The addresses of a trunk: the host of its URI, or those that `hosts` has for its name."""
        uri = Uri.parse(trunk.target.encode())
        hosts = self.hosts.get(uri.host, [uri.host])
        return [Flow("udp", self.address, (host, uri.port or 5060)) for host in hosts]

    def die(self) -> None:
        """End as a process that is killed: nothing of it is heard or written any more."""
        self.dead = self._network.dead = True
        self._socket.sendto = lambda data, addr: None
        self.wire.detach(self.address)
        self.wire.attach_host(self.address[0], lambda port, data, source: None)
        self.money.submit = lambda command, **how: self.loop.create_future()

    def load(self) -> None:
        """Know the accounts and tariffs that are in the database."""
        for account in self.store.accounts():
            self.assignments.put_account(account.id, account.tariff)
        self.tariffs.update((tariff.name, tariff) for tariff in self.store.tariffs())

    def _journal(self) -> None:
        if self.dead:
            return
        proven = self.loop.create_task(self.switch.prove_life())
        proven.add_done_callback(asyncio.Future.exception)  # the server logs what fails
        self.loop.call_later(5.0, self._journal)

    def _do_due_work(self) -> None:
        """As the server does it each second; but the database is asked only if something was
        written since, or the next work's time has come."""
        if self.dead:
            return
        if self._written:
            self._written = False
            self._next_due = next_due(self.store)
        if self._next_due is not None and self._next_due <= self.wall_ms():
            report = run_due(
                self.store, self.store.apply, self.wall_ms(), "Asia/Tbilisi",
                leave=self.switch.texting.own.leave,
            )  # fmt: skip
            assert report.failures == []
            if report.done:
                self.reload(sorted(report.accounts))
            if NOTICE_KIND in report.kinds:
                self.loop.create_task(self.switch.texting.lines.look())
            self._written = True
        self.loop.call_later(1.0, self._do_due_work)

    def _write(self, connection) -> None:
        self._written = True

    def reload(self, accounts: list[int]) -> None:
        """Make the switch reload these accounts, as after an operation that changed them."""
        with self.store.reading() as connection:
            found = sales_store.subscriptions(connection, accounts)
            rented = rented_numbers(connection, accounts)
        self.entitlements.put(found, accounts)
        self.directory.rented.put(rented, accounts)
        self.switch.accounts_changed(accounts)

    # Setting up

    def package(self, product: Product, account: int, ends_in: float, **more) -> Subscription:
        """Sell a package that ends in so many seconds, whatever its term."""
        now = self.wall_ms()
        bought = now + round(ends_in * 1000) - (product.term.boundary(now, 1, "UTC") - now)
        command = BuyPackage(
            account_id=account,
            at=bought,
            purchase_id=f"{product.name} {account}",
            product=product.name,
            line=None,
            zone="UTC",
            **more,
        )
        self.store.apply([DefineProduct(product)])
        (purchase,) = self.store.apply([command])
        self.entitlements.put([purchase.subscription])
        return purchase.subscription

    def account(self, balance_micros: int) -> int:
        command = AddAccount(f"account {self.rng.random()}", "person", "GEL", 0, "default", 0)
        account = self.store.apply([command])[0]
        self.assignments.put_account(account.id, "default")
        if balance_micros:
            self.store.apply([TopUp(account.id, balance_micros, f"first {account.id}", 0)])
        return account.id

    def tariff(self, *rates: tuple[str, int, int, int]) -> None:
        """(prefix, per minute micros, initial, increment) rows of the default tariff."""
        facts = [
            Rate("default", prefix, "", 0, price, initial, increment, currency="GEL")
            for prefix, price, initial, increment in rates
        ]
        self.store.apply([ReplaceTariff("default", "GEL", facts)])
        self.tariffs["default"] = self.store.tariff("default")

    def line(self, number: str, account: int, **more) -> Line:
        login = number.removeprefix("+")
        line = Line(
            0,
            number,
            login,
            account,
            {a: ha1(a, login, "example.org", "secret") for a in Algorithm},
            **more,
        )
        kept = DirectoryStore(self.store.engine)
        known = kept.line_by_number(number)
        line = known or replace(line, id=kept.add_lines([line])[0])
        self.directory.put_lines([line])
        return line

    def phone(self, line: Line, host: str, **more) -> Phone:
        phone = Phone(self, line.login, (host, 5060), **more)
        self.phones.append(phone)
        return phone

    def trunk(self, name: str, host: str, prefix: str = "", priority: int = 100) -> Phone:
        trunks = [*self.directory.trunks()]
        source = Source.parse(host)
        trunk = Trunk(len(trunks) + 1, name, f"sip:{host}:5060", (prefix,), priority,
                      inbound_from=(source,))  # fmt: skip
        self.directory.set_trunks([*trunks, trunk])
        phone = Phone(self, name, (host, 5060))
        self.phones.append(phone)
        return phone

    def set_trunk_credentials(self, name: str, username: str, password: str) -> None:
        self.directory.set_trunks(
            replace(trunk, username=username, password=password) if trunk.name == name else trunk
            for trunk in list(self.directory.trunks())
        )

    # Running

    def run(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def run_until_idle(self, limit: float = 4000.0) -> None:
        """Until no call is left and no transaction remembers one."""
        end = self.loop.time() + limit
        while self.loop.time() < end:
            self.run(10.0)
            agents = [self.switch.agent, *(phone.agent for phone in self.phones)]
            if not self.switch.calls and not any(len(a.stack.layer) or a.sessions for a in agents):
                return
        raise AssertionError(f"still busy: {self.switch.calls}, {self.left()}")

    def left(self) -> dict[str, int]:
        """Counters that must be zero when all is over."""
        return {
            "calls": len(self.switch.calls),
            "sessions": self.switch.agent.sessions,
            "transactions": len(self.switch.agent.stack.layer),
            "relay sessions": self.media.sessions,
            "ports": self.media.ports_in_use,
            "live calls": len(self.store.live_calls()),
            "tasks": len(asyncio.all_tasks(self.loop)),
            "short of money": len(self.switch.context.charging.short),
            "reserved": sum(account.reserved_micros for account in self.store.accounts()),
        }

    def close(self) -> None:
        self.loop.run_until_complete(self._stop())
        asyncio.set_event_loop(None)
        event.remove(self.store.engine, "commit", self._write)
        self.store.close()
        self.folder.cleanup()

    async def _stop(self) -> None:
        """End what still lives, as a switch does that stops."""
        if not self.dead:
            with contextlib.suppress(TimeoutError):  # a test may have broken the database
                await asyncio.wait_for(self.switch.finish(), 60.0)
        tasks = asyncio.all_tasks(self.loop) - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.media.close()
