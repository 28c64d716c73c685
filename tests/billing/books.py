"""Small books for tests."""

from billing.authorization import AddAccount, TopUp
from billing.cdr import Cdr
from billing.store import Store
from billing.tariff import Rate

RATE = Rate("default", "995", "Georgia", 0, 60_000, 1, 1, 0, 0, "GEL")


def store(url: str = "sqlite://") -> Store:
    made = Store(url)
    made.create()
    return made


def account(books: Store, balance: int, credit_limit: int | None = 0) -> int:
    (made,) = books.apply([AddAccount("somebody", "person", "GEL", credit_limit, "default", 0)])
    if balance:
        books.apply([TopUp(made.id, balance, f"first {made.id}", 0)])
    return made.id


def cdr(
    call_id: str, account_id: int | None, duration_ms: int = 0, answered: int | None = 1000
) -> Cdr:
    return Cdr(
        call_id, "a", "outgoing", "national", account_id, "+995322000001", "+995322000001",
        "+995322000002", "0322000002", "+995322000001", None, 500, 600, answered,
        (answered or 500) + duration_ms, 400, duration_ms, 200 if answered else 487, 16, "caller",
    )  # fmt: skip
