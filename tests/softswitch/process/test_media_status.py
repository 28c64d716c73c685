"""What operators are told of the media plane."""

from rtp.figures import Status, TickFigures
from rtp.shared_ports import shared_ports
from softswitch.config.config import parse
from softswitch.operations.installation.check_media import (
    codecs,
    fast_path,
    held_ports,
    ready_workers,
    shared_ports_note,
    sound_priority,
    sound_ticks,
)
from softswitch.process.media_status import status_row


def test_a_worker_as_operators_see_it():
    why_not = "tun0: no Ethernet header"
    status = Status(3, 4, 2, 6, 1, 93, 50, 49, 40, "tcx", ("lo", "eth0"), why_not, "epoll", -10)
    assert status_row(77, status) == {
        "worker": 77,
        "state": "ready",
        "sessions": 3,
        "fast_path": "tcx",
        "kernel_lanes": 4,
        "relay_lanes": 2,
        "relays_by": "epoll",
        "niceness": -10,
        "interfaces": "lo,eth0",
        "ports_in_use": 6,
        "ports_resting": 1,
        "ports_free": 93,
        "ports_shared": 50,
        "ports_held": 49,
        "files": 40,
        "why_not": "tun0: no Ethernet header",
        "sounding": 0,
        "ticks": 0,
        "ticks_skipped": 0,
        "late_p50_ms": 0.0,
        "late_p99_ms": 0.0,
        "late_p999_ms": 0.0,
        "late_worst_ms": 0.0,
    }


def test_how_late_its_ticks_are():
    figures = TickFigures(5_000, 2, 31, 0.1, 0.9, 4.5, 60.0)
    row = status_row(77, Status(0, 0, 0, 0, 0, 100, 0, 0, 9, "", (), "", "epoll"), figures)
    assert (row["sounding"], row["ticks"], row["ticks_skipped"]) == (31, 5_000, 2)
    assert (row["late_p50_ms"], row["late_p99_ms"]) == (0.1, 0.9)
    assert (row["late_p999_ms"], row["late_worst_ms"]) == (4.5, 60.0)


def test_a_worker_without_the_kernel_tier():
    why_not = "bpf(2): not permitted"
    row = status_row(77, Status(0, 0, 0, 0, 0, 100, 0, 0, 9, "", (), why_not, "io_uring"))
    assert (row["fast_path"], row["why_not"]) == ("none", why_not)


def test_a_check_without_a_running_switch_says_when_ticks_are_measured():
    row = sound_ticks(None)
    assert (row["check"], row["ok"]) == ("sound ticks", None)


def test_media_rows_say_why_the_switch_did_not_answer(tmp_path):
    text = '[switch]\ndomain = "example.org"\ncountry = "GE"\ncurrency = "GEL"\n'
    config = parse(text, tmp_path / "softswitch.toml")
    assert ready_workers(config, running=False) is None
    why = ready_workers(config, running=True)  # its socket was there, but nothing answers
    assert isinstance(why, str)
    rows = (
        fast_path(config, why),
        sound_ticks(why),
        sound_priority(config, why),
        held_ports(config, why),
    )
    assert [(row["ok"], row["detail"]) for row in rows] == [(False, why)] * 4


def test_a_check_says_when_sound_waits_for_other_work(tmp_path):
    text = '[switch]\ndomain = "example.org"\ncountry = "GE"\ncurrency = "GEL"\n'
    config = parse(text, tmp_path / "softswitch.toml")
    assert sound_priority(config, None)["ok"] is None
    own = parse(text + "[media]\nniceness = 0\n", tmp_path / "softswitch.toml")
    assert "niceness = 0" in sound_priority(own, None)["detail"]


def test_a_check_says_which_ports_the_system_gives_away():
    assert shared_ports_note(1024, 2047) == ""
    if shared_ports(1024, 65_535):
        assert "ip_local_reserved_ports=1024-65535" in shared_ports_note(1024, 65_535)


def test_a_codec_without_its_library_is_said_to_pass_as_it_is():
    everything = {"PCMU", "PCMA", "G722", "OPUS"}
    assert codecs(True, everything)["ok"] is True
    row = codecs(True, everything - {"OPUS"})
    assert row["ok"] is None and "OPUS (pip install softswitch[opus])" in row["detail"]
    assert "G722 (" not in row["detail"]
    assert codecs(False, everything)["detail"].startswith("transcoding is off")
