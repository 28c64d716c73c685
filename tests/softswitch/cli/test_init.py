"""`softswitch init`: what follows from the country, and what is refused at once."""

import json
from pathlib import Path

import pytest

from softswitch.cli.main import run
from softswitch.config.config import load
from softswitch.operations.installation import countries


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("country", "more", "facts"),
    [
        ("AM", (), ("AMD", "Asia/Yerevan", "en")),
        ("de", (), ("EUR", "Europe/Berlin", "en")),
        ("IR", (), ("IRR", "Asia/Tehran", "fa")),
        ("KZ", ("--time-zone", "Asia/Almaty"), ("KZT", "Asia/Almaty", "kk")),
        ("GB", ("--currency", "EUR", "--language", "ru"), ("EUR", "Europe/London", "ru")),
    ],
)
def test_time_zone_currency_and_language_follow_from_the_country(folder, country, more, facts):
    assert run(["init", "--country", country, *more]) == 0
    switch = load(folder / "softswitch.toml").switch
    assert switch.country == country.upper()
    assert (switch.currency, switch.time_zone, switch.language) == facts


def test_without_a_country_it_is_georgia(folder):
    assert run(["init"]) == 0
    switch = load(folder / "softswitch.toml").switch
    assert (switch.country, switch.currency, switch.time_zone) == ("GE", "GEL", "Asia/Tbilisi")


def test_an_unknown_country_is_refused_before_anything_is_made(folder, capsys):
    assert run(["init", "--country", "XX"]) == 1
    assert capsys.readouterr().err == (
        "softswitch: there is no country 'XX': write two capital letters, such as GE (ISO 3166)\n"
    )
    assert list(folder.iterdir()) == []


def test_several_time_zones_are_named_where_nobody_can_be_asked(folder, capsys):
    assert run(["init", "--country", "KZ"]) == 1
    assert "add --time-zone with one of Asia/Almaty" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--country", "AM"), "says country = 'GE', not 'AM'"),
        (("--currency", "USD"), "says currency = 'GEL', not 'USD'"),
        (("--time-zone", "UTC"), "says time_zone = 'Asia/Tbilisi', not 'UTC'"),
        (("--domain", "example.org"), "says domain = '127.0.0.1', not 'example.org'"),
        (("--port", "5070"), "not '127.0.0.1:5070'"),
    ],
)
def test_options_that_would_change_what_exists_are_an_error(folder, capsys, options, says):
    assert run(["init"]) == 0
    assert run(["init", *options]) == 1
    assert says in capsys.readouterr().err
    assert run(["init", "--country", "GE", "--currency", "GEL", "--port", "5060"]) == 0


def test_every_country_with_telephones_has_a_currency_and_a_time_zone():
    from phonenumbers import SUPPORTED_REGIONS

    known = set(countries.CURRENCY_OF)
    assert set(SUPPORTED_REGIONS) - known == {"AC", "TA"}  # islands of Saint Helena
    assert {country for country in known if not countries.time_zones(country)} <= {"BV", "HM"}


def test_check_lists_the_rules_that_are_switched_off(folder, capsys):
    assert run(["init"]) == 0
    capsys.readouterr()

    def off() -> list[str]:
        run(["check", "-o", "json"])
        rows = json.loads(capsys.readouterr().out)
        return [row["check"] for row in rows if row["check"].startswith("rule: ")]

    assert off() == [
        "rule: cancelling idle lines",
        "rule: suspending debtors",
        "rule: parallel calls",
        "rule: notices by mail",
        "rule: bonus of incoming calls",
    ]
    assert run(["bonus", "set", "0.01"]) == 0
    with (folder / "softswitch.toml").open("a") as file:
        file.write('[lines]\nunused_after = "12 months"\n[debt]\nsuspend_after = "14 days"\n')
        file.write('[conference]\nparallel_calls = "service"\n')
    capsys.readouterr()
    assert off() == ["rule: notices by mail"]
