"""Calls recorded for their lines (A13): who is recorded, from when to when, and what is left."""

import wave
from dataclasses import replace
from pathlib import Path

import pytest
from exchange import Exchange


@pytest.fixture
def exchange():
    made = Exchange(seed=1, config="[recording]\nmin_free_megabytes = 0\n")
    made.tariff(("995", 60_000, 1, 1))
    yield made
    assert made.store.verify() == []
    made.close()


def phones(exchange, *recorded):
    found = []
    for index, record in enumerate(recorded, 1):
        line = exchange.line(
            f"+99532200000{index}", exchange.account(10_000_000), record=record
        )  # fmt: skip
        phone = exchange.phone(line, f"198.51.100.{index}")
        phone.register()
        found.append(phone)
    exchange.run(1.0)
    return found


def recordings(exchange):
    return exchange.recordings._store.newest(None, 100)


def file_of(exchange, recording) -> Path:
    return Path(exchange.recordings.path(recording.id))


def nothing_left(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert exchange.log.errors == []


@pytest.mark.parametrize("who", [(True, False), (False, True), (True, True)])
def test_a13_a_line_that_wants_it_has_its_calls_recorded(exchange, who):
    a, _ = phones(exchange, *who)
    session = a.call("+995322000002")
    exchange.run(10.0)
    (going_on,) = recordings(exchange)
    assert (going_on.state, going_on.duration_ms) == ("recording", 0)
    a.hang_up(session)
    nothing_left(exchange)
    (kept,) = recordings(exchange)
    wanted_by = "+995322000001" if who[0] else "+995322000002"
    assert (kept.state, kept.line, kept.calling, kept.called) == (
        "kept", wanted_by, "+995322000001", "+995322000002",
    )  # fmt: skip
    assert 8_000 < kept.duration_ms < 9_500
    with wave.open(str(file_of(exchange, kept))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        assert file.getnframes() == kept.duration_ms * 8
    (cdr,) = exchange.store.cdrs()
    assert kept.call_id == cdr.call_id


def test_a13_both_hear_a_tone_when_it_begins(exchange):
    a, b = phones(exchange, True, False)
    a.sends_rtp = b.sends_rtp = False
    session = a.call("+995322000002")
    exchange.run(5.0)
    assert a.heard > 3 and b.heard > 3
    a.hang_up(session)
    nothing_left(exchange)


def test_a13_no_tone_where_it_is_switched_off():
    exchange = Exchange(
        seed=1, config="[recording]\nmin_free_megabytes = 0\ntone = false\n"
    )  # fmt: skip
    exchange.tariff(("995", 60_000, 1, 1))
    a, b = phones(exchange, True, False)
    a.sends_rtp = b.sends_rtp = False
    session = a.call("+995322000002")
    exchange.run(5.0)
    assert a.heard == b.heard == 0
    a.hang_up(session)
    nothing_left(exchange)
    exchange.close()


def test_a13_other_lines_are_not_recorded(exchange):
    a, _ = phones(exchange, False, False)
    session = a.call("+995322000002")
    exchange.run(5.0)
    a.hang_up(session)
    nothing_left(exchange)
    assert recordings(exchange) == []


def test_a13_a_recording_ends_when_its_line_leaves_the_call(exchange):
    a, b, c = phones(exchange, False, True, False)
    session = a.call("+995322000002")
    exchange.run(5.0)
    b.refer(b.talking[0], b"<sip:+995322000003@example.org>")
    exchange.run(20.0)
    (kept,) = recordings(exchange)
    assert kept.state == "kept" and kept.duration_ms < 7_000
    assert len(c.talking) == 1
    a.hang_up(session)
    nothing_left(exchange)


def test_a13_with_a_full_disk_the_call_goes_on_without():
    exchange = Exchange(seed=1, config="[recording]\nmin_free_megabytes = 1000000\n")
    exchange.tariff(("995", 60_000, 1, 1))
    a, b = phones(exchange, True, False)
    session = a.call("+995322000002")
    exchange.run(5.0)
    assert len(b.talking) == 1 and recordings(exchange) == []
    assert "disk is nearly full" in exchange.log.errors[0][0]
    a.hang_up(session)
    exchange.run_until_idle()
    exchange.close()


def test_a13_a_crash_leaves_a_whole_file(exchange):
    a, _ = phones(exchange, True, False)
    a.call("+995322000002")
    exchange.run(10.0)
    (broken,) = recordings(exchange)
    stray = file_of(exchange, broken).parent / "unknown-to-anybody.wav"
    stray.write_bytes(b"RIFF")
    assert exchange.recordings.recover() == (1, 1)
    (kept,) = recordings(exchange)
    assert (kept.state, kept.problem) == ("kept", "broken off by a crash")
    with wave.open(str(file_of(exchange, kept))) as file:
        assert file.getnframes() * 1000 // 8000 == kept.duration_ms > 8_000


def test_a13_old_recordings_are_deleted(exchange):
    a, _ = phones(exchange, True, False)
    session = a.call("+995322000002")
    exchange.run(5.0)
    a.hang_up(session)
    nothing_left(exchange)
    (kept,) = recordings(exchange)
    expire = exchange.recordings.expire
    assert exchange.loop.run_until_complete(expire()) == 0
    exchange.clock_step_ms = 91 * 86_400_000
    assert exchange.loop.run_until_complete(expire()) == 1
    assert recordings(exchange) == [] and not file_of(exchange, kept).exists()


def test_a13_a_setting_counts_from_the_next_call_on(exchange):
    a, _ = phones(exchange, False, False)
    line = exchange.directory.line_by_login("995322000001")
    exchange.directory.put_lines([replace(line, record=True)])
    session = a.call("+995322000002")
    exchange.run(5.0)
    assert len(recordings(exchange)) == 1
    a.hang_up(session)
    nothing_left(exchange)


def test_a13_what_cannot_be_decoded_is_not_recorded_and_said_so(exchange):
    a, b = phones(exchange, True, False)
    a.codec = b.codec = "G729"
    session = a.call("+995322000002")
    exchange.run(5.0)
    assert len(b.talking) == 1 and recordings(exchange) == []
    assert any("can't be decoded" in event for event, _ in exchange.log.warnings)
    a.hang_up(session)
    nothing_left(exchange)


def test_a13_a_transcoded_call_is_recorded(exchange):
    a, b = phones(exchange, True, False)
    b.codec = "PCMA"
    session = a.call("+995322000002")
    exchange.run(5.0)
    a.hang_up(session)
    nothing_left(exchange)
    (kept,) = recordings(exchange)
    assert kept.state == "kept" and kept.duration_ms > 3_000
