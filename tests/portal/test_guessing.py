"""Guesses at passwords by the thousand: the owner signs in throughout, and the time of an answer
tells nobody which logins there are."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from served import PASSWORD, Browserless, Served, served, token

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
GUESSES, ADDRESSES = 1_000, 200
AT_ONCE = 4
TIMED = 200
LEAST_P = 0.01
HASHING_MB = 64


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A portal behind a proxy, which says where requests come from."""
    folder = tmp_path_factory.mktemp("guessed")
    with served(folder, 'trusted_proxies = ["127.0.0.1/32"]\n') as made:
        (user,) = made.command("user", "add", "ana", "--role", "subscriber", "--account", "1")
        ana = Browserless(made.url)
        ana.first_sign_in("ana", str(user["password"]))
        for path in ("/", "/calls", "/money", "/login"):  # makes templates, opens connections
            ana.get(path)
        yield made


class Guesser:
    """A program that tries passwords from many addresses, with one page's token."""

    def __init__(self, portal: Served) -> None:
        self._client = httpx.Client(
            base_url=portal.url, timeout=60, headers={"sec-fetch-site": "same-origin"}
        )
        page = self._client.get("/login")
        self._tokens = {"csrf": token(page.text, "csrf")}
        self._cookie = page.headers["set-cookie"].partition(";")[0]

    def guess(self, login: str, password: str, address: str) -> tuple[int, str, float]:
        """The status, the code on the page, and the seconds of an answer."""
        began = time.perf_counter()
        answer = self._client.post(
            "/login",
            data=self._tokens | {"login": login, "password": password, "next": ""},
            headers={"x-forwarded-for": address, "cookie": self._cookie},
        )
        took = time.perf_counter() - began
        return answer.status_code, answer.text.partition('data-code="')[2].partition('"')[0], took


def rank_sum_p(some: list[float], others: list[float]) -> float:
    """The two-sided p of the Mann-Whitney U test by its normal approximation, without ties.

    >>> round(rank_sum_p([1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]), 4)
    0.009
    """
    ranks = {value: rank for rank, value in enumerate(sorted([*some, *others]), 1)}
    count, of_others = len(some), len(others)
    u = sum(ranks[value] for value in some) - count * (count + 1) / 2
    deviation = math.sqrt(count * of_others * (count + of_others + 1) / 12)
    return math.erfc(abs(u - count * of_others / 2) / deviation / math.sqrt(2))


def peak_bytes(portal: Served) -> int:
    """The highest resident size of the portal so far (VmHWM of proc_pid_status(5))."""
    text = Path(f"/proc/{portal.processes['portal'].pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.parametrize("addresses", [1, ADDRESSES])
def test_G11_the_owner_signs_in_while_strangers_guess(portal: Served, addresses: int) -> None:
    owner = Guesser(portal)
    guessers = [Guesser(portal) for _ in range(AT_ONCE)]
    before = peak_bytes(portal)

    def guess(number: int) -> str:
        address = f"198.51.{100 + addresses % 7}.{number % addresses}"
        return guessers[number % AT_ONCE].guess("ana", f"guess {number}", address)[1]

    codes = Counter[str]()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for first in range(0, GUESSES, 100):
            begun = [threads.submit(guess, number) for number in range(first, first + 100)]
            status, code, _ = owner.guess("ana", PASSWORD, "203.0.113.7")
            assert (status, code) == (303, ""), first
            codes.update(one.result() for one in begun)
    assert codes["credentials_wrong"] + codes["guesses_too_many"] == GUESSES
    assert codes["credentials_wrong"] <= 6 * addresses, "five, and one that was under way"
    assert peak_bytes(portal) - before < HASHING_MB * 2**20


def test_twenty_guesses_at_once_are_no_more_tries_than_one_after_another(portal: Served) -> None:
    guessers = [Guesser(portal) for _ in range(20)]

    def guess(number: int) -> str:
        return guessers[number].guess("somebody", f"guess {number}", "198.51.100.77")[1]

    with ThreadPoolExecutor(len(guessers)) as threads:
        codes = Counter(threads.map(guess, range(len(guessers))))
    assert codes["credentials_wrong"] <= 6
    assert codes["credentials_wrong"] + codes["guesses_too_many"] == len(guessers)


def test_G11_the_time_of_an_answer_does_not_tell_who_there_is(portal: Served) -> None:
    """Each guess comes from an address of its own. One run in a hundred of honest times falls below
    the limit: two in a row don't."""
    guesser, found = Guesser(portal), []
    for turn in range(2):
        times: dict[str, list[float]] = {"ana": [], "nobody-has-this": []}
        for number in range(TIMED):
            for login, taken in times.items():
                address = f"10.{turn}.{len(taken) % 2 + 2 * (login == 'ana')}.{number}"
                status, code, took = guesser.guess(login, f"guess {number}", address)
                assert code == "credentials_wrong", status
                taken.append(took)
        found.append(rank_sum_p(*times.values()))
        if found[-1] > LEAST_P:
            return
    raise AssertionError(found)
