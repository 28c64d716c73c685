"""The listener for Prometheus, and the verification of the books beside the calls."""

import asyncio
import time

import pytest
from sqlalchemy import create_engine

from billing.facts.authorization import AddAccount, TopUp
from billing.stores.store import Store
from softswitch.config.values import HttpListen
from softswitch.database.schema import migrate
from softswitch.process import metrics_listener
from softswitch.process.books_check import BooksCheck
from softswitch.process.metrics_listener import MetricsError, MetricsListener


async def page() -> bytes:
    return b"softswitch_calls 0.0\n"


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


async def with_listener(work):
    listener = MetricsListener(page)
    await listener.start(HttpListen("127.0.0.1", 0))
    port = listener._server.sockets[0].getsockname()[1]
    try:
        return await work(port)
    finally:
        listener.close()


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        (b"GET /metrics HTTP/1.1", b"200 OK", b"softswitch_calls 0.0\n"),
        (b"GET /metrics?x=1 HTTP/1.0", b"200 OK", b"softswitch_calls 0.0\n"),
        (b"HEAD /metrics HTTP/1.1", b"200 OK", b""),
        (b"GET / HTTP/1.1", b"404 Not Found", b"the page is /metrics\n"),
        (b"POST /metrics HTTP/1.1", b"405 Method Not Allowed", b"only GET\n"),
        (b"\xff\x00", b"405 Method Not Allowed", b"only GET\n"),
    ],
)
def test_one_page_is_served(request_line, status, body):
    answer = asyncio.run(with_listener(lambda port: asked(port, request_line + b"\r\n\r\n")))
    head, _, got = answer.partition(b"\r\n\r\n")
    assert head.partition(b"\r\n")[0] == b"HTTP/1.1 " + status
    assert got == body


def test_a_request_without_end_is_cut_off():
    async def work(port):
        endless = b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 100_000
        with pytest.raises(ConnectionError):
            await asked(port, endless)

    asyncio.run(asyncio.wait_for(with_listener(work), 10))


def test_a_silent_client_is_closed_and_takes_no_place_of_others(monkeypatch):
    monkeypatch.setattr(metrics_listener, "REQUEST_SECONDS", 0.2)

    async def work(port):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        await asyncio.sleep(0.5)
        answer = await asked(port, b"GET /metrics HTTP/1.1\r\n\r\n")
        for _, writer in silent:
            writer.close()
        return answer

    assert asyncio.run(with_listener(work)).startswith(b"HTTP/1.1 200 OK")


def test_a_port_in_use_is_named():
    async def work(port):
        with pytest.raises(MetricsError, match=rf"\[metrics\] listen 127.0.0.1:{port} can't be"):
            await MetricsListener(page).start(HttpListen("127.0.0.1", port))

    asyncio.run(with_listener(work))


class Log:
    def __init__(self):
        self.lines = []

    def info(self, event, **facts):
        self.lines.append(("info", event, facts))

    def error(self, event, **facts):
        self.lines.append(("error", event, facts))


@pytest.fixture
def books(tmp_path):
    (tmp_path / "softswitch.toml").write_text(
        '[switch]\ndomain = "127.0.0.1"\ncountry = "GE"\ncurrency = "GEL"\n'
        '[database]\nurl = "sqlite:///books.db"\n'
    )
    engine = create_engine(f"sqlite:///{tmp_path}/books.db")
    migrate(engine)
    engine.dispose()
    store = Store(f"sqlite:///{tmp_path}/books.db")
    (account,) = store.apply([AddAccount("Ana", "person", "GEL", 0, "default", 0)])
    store.apply([TopUp(account.id, 5_000_000, "first", 0)])
    yield tmp_path / "softswitch.toml", store
    store.close()


def test_the_books_are_verified_by_a_process_of_their_own(books):
    path, store = books
    log = Log()
    check = BooksCheck(path, time.time, log)
    asyncio.run(check.do_if_due())
    assert (check.differences, log.lines) == (0, [("info", "books verified", {})])
    first = check.verified_at
    asyncio.run(check.do_if_due())
    assert check.verified_at == first  # not again within the day

    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE accounts SET balance_micros = 6000000")
    asyncio.run(check.do())
    assert check.differences == 1
    what = "balance of account 1: expected 5000000 micros, found 6000000"
    assert log.lines[-1] == ("error", "the books differ", {"difference": what})


def test_books_that_cannot_be_read_are_reported_and_count_as_unverified(books, tmp_path):
    path, _ = books
    path.write_text("nonsense")
    log = Log()
    check = BooksCheck(path, time.time, log)
    asyncio.run(check.do())
    assert check.verified_at is None
    ((level, event, facts),) = log.lines
    assert (level, event) == ("error", "the books can't be verified")
    assert "not valid TOML" in facts["why"]
