"""The directory: lines by login and number, trunks by prefix and source."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softswitch.subscribers.directory import Directory, Line, Source, Trunk

ANA = Line(1, "+995322000001", "995322000001", 1, {})
BEKA = Line(2, "+995322000002", "beka", 1, {})


def trunk(trunk_id: int, *prefixes: str, priority: int = 100, inbound: str = "") -> Trunk:
    return Trunk(
        trunk_id,
        f"trunk-{trunk_id}",
        "sip:192.0.2.1",
        prefixes or ("",),
        priority,
        inbound_from=tuple(map(Source.parse, inbound.split())),
    )


def test_lines_are_found_by_login_and_number() -> None:
    directory = Directory([ANA, BEKA])
    assert directory.line_by_login("beka") == BEKA
    assert directory.line_by_number("+995322000001") == ANA
    assert directory.line_by_login("nobody") is None
    assert directory.is_line("+995322000002")
    assert not directory.is_line("995322000002")


def test_a_changed_line_leaves_its_old_names() -> None:
    directory = Directory([ANA, BEKA])
    moved = replace(BEKA, login="beka2", number="+995322000009")
    directory.put_lines([moved])
    assert directory.line_by_login("beka") is None
    assert directory.line_by_number("+995322000002") is None
    assert directory.line_by_login("beka2") == moved


def test_lines_may_exchange_their_logins() -> None:
    directory = Directory([ANA, BEKA])
    directory.put_lines([replace(ANA, login="beka"), replace(BEKA, login="995322000001")])
    assert [directory.line_by_login(login) for login in ("beka", "995322000001")] == [
        replace(ANA, login="beka"),
        replace(BEKA, login="995322000001"),
    ]


def test_a_removed_line_is_gone() -> None:
    directory = Directory([ANA])
    directory.remove_line(1)
    directory.remove_line(1)
    assert directory.line(1) is None
    assert directory.line_by_number(ANA.number) is None
    assert directory.line_ids() == []


def test_the_longest_prefix_comes_first_then_priority() -> None:
    directory = Directory(
        [],
        [
            trunk(1),
            trunk(2, "995", priority=200),
            trunk(3, "995", "7", priority=50),
            trunk(4, "99532"),
            trunk(5, "9953", priority=1),
        ],
    )

    def ids(digits: str) -> list[int]:
        return [found.id for found in directory.trunks_for(digits)]

    assert ids("995322000001") == [4, 5, 3, 2, 1]
    assert ids("79161234567") == [3, 1]
    assert ids("4930123456") == [1]


def test_suspended_trunks_take_no_calls_and_are_no_source() -> None:
    suspended = replace(trunk(1, inbound="192.0.2.1"), status="suspended")
    directory = Directory([], [suspended])
    assert directory.trunks_for("995") == ()
    assert directory.trunk_by_source("192.0.2.1", 5060) is None
    assert directory.trunk(1) is suspended


def test_the_narrowest_source_wins() -> None:
    directory = Directory(
        [],
        [
            trunk(1, inbound="192.0.2.0/24 2001:db8::/32"),
            trunk(2, inbound="192.0.2.7"),
            trunk(3, inbound="192.0.2.7:5080 [2001:db8::1]:5080"),
            trunk(4, inbound="192.0.0.0/16"),
        ],
    )

    def source(host: str, port: int = 5060) -> int | None:
        found = directory.trunk_by_source(host, port)
        return found.id if found is not None else None

    assert source("192.0.2.1") == 1
    assert source("192.0.2.7") == 2
    assert source("192.0.2.7", 5080) == 3
    assert source("192.0.3.1") == 4
    assert source("2001:db8::2") == 1
    assert source("2001:db8::1", 5080) == 3
    assert source("198.51.100.1") is None


@pytest.mark.parametrize("text", ["192.0.2.0/24", "192.0.2.1", "192.0.2.1:5080", "2001:db8::/32",
                                  "[2001:db8::1]:5080", "2001:db8::1"])  # fmt: skip
def test_sources_read_and_write_alike(text: str) -> None:
    assert str(Source.parse(text)) == text


@pytest.mark.parametrize("text", ["", "gw.example", "192.0.2.1:0", "192.0.2.1:99999", "1.2.3.4/99",
                                  "192.0.2.1/24", "192.0.2.1:x"])  # fmt: skip
def test_broken_sources(text: str) -> None:
    with pytest.raises(ValueError):
        Source.parse(text)


@pytest.mark.parametrize(
    ("target", "user", "written"),
    [
        ("sip:192.0.2.1", "+442071838750", b"sip:+442071838750@192.0.2.1"),
        ("sip:192.0.2.1:5080", "112", b"sip:112@192.0.2.1:5080"),
        ("sip:old@gw.example.org;transport=tcp", "1", b"sip:1@gw.example.org;transport=tcp"),
        ("sips:[2001:db8::1]", "+1", b"sips:+1@[2001:db8::1]"),
        ("sip:pbx.example.org", "front desk", b"sip:front%20desk@pbx.example.org"),
        ("sip:pbx.example.org", "ani@home", b"sip:ani%40home@pbx.example.org"),
        ("sip:pbx.example.org", "ანი", b"sip:%E1%83%90%E1%83%9C%E1%83%98@pbx.example.org"),
        ("sip:pbx.example.org", "+44²", b"sip:+44%C2%B2@pbx.example.org"),
    ],
)
def test_a_request_uri_names_the_called_user_at_the_trunk(target, user, written) -> None:
    assert Trunk(1, "t", target, ("",)).request_uri(user) == written
