"""Voicemail, greetings and recordings in the cabinet, by forms without scripts."""

from __future__ import annotations

import io
import wave

import httpx
import pytest
from served import Browserless, Served, token
from test_lines import codes

DATABASES = ("sqlite", "postgresql")

ANA, BEKA = "+995322000001", "+995322000002"
BOX = f"/lines/{ANA}/voicemail"
GREETINGS = f"/greetings/{ANA}"


def sound(rate: int = 8000, channels: int = 1, bits: int = 16, seconds: int = 1) -> bytes:
    """A WAV file of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(channels)
        written.setsampwidth(bits // 8)
        written.setframerate(rate)
        written.writeframes(bytes(rate * channels * bits // 8 * seconds))
    return file.getvalue()


def uploaded(person: Browserless, content: bytes, name: str = "") -> httpx.Response:
    """Send the form with a file."""
    shown = person.get(GREETINGS).text
    fields = {"csrf": token(shown, "csrf"), "do": "greeting_upload", "name": name}
    return person.send(
        "POST", GREETINGS, data=fields, files={"wav": ("hello.wav", content, "audio/wav")},
        follow_redirects=True,
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def mailbox(ana: Browserless) -> None:
    """Ana's mailbox, opened on the page of her line."""
    answer = ana.post(f"/lines/{ANA}", do="voicemail_enable")
    assert 'data-page="voicemail"' in answer.text


def test_the_only_mailbox_is_shown_at_once(ana: Browserless) -> None:
    assert 'data-page="voicemail"' in ana.get("/voicemail").text


def test_settings_of_the_mailbox_are_saved(portal: Served, ana: Browserless) -> None:
    ana.post(BOX, do="takes", value="always")
    ana.post(BOX, do="ring_seconds", value="12")
    (shown,) = portal.command("voicemail", "show", ANA)
    assert (shown["takes"], shown["ring_seconds"]) == (["always"], 12)
    answer = ana.post(BOX, do="ring_seconds", value="4")
    assert 'id="error-ring_seconds-value" data-code="whole_number_range"' in answer.text


def test_a_playable_greeting_is_kept_chosen_and_heard_in_parts(
    portal: Served, ana: Browserless
) -> None:
    uploaded(ana, sound(), "Good day")
    (kept,) = portal.command("greeting", "list", ANA)
    assert (kept["name"], kept["seconds"], kept["chosen"]) == ("Good day", 1.0, False)
    ana.post(GREETINGS, do="greeting_choose", greeting=kept["id"])
    assert portal.command("greeting", "list", ANA)[0]["chosen"] is True
    path = f"{GREETINGS}/{kept['id']}/sound"
    part = ana.send("GET", path, headers={"range": "bytes=0-43"})
    assert (part.status_code, part.content) == (206, sound()[:44])
    assert part.headers["content-range"] == "bytes 0-43/16044"
    ana.post(GREETINGS, do="greeting_none")
    ana.post(GREETINGS, do="greeting_delete", greeting=kept["id"])
    assert portal.command("greeting", "list", ANA) == []


def test_a_file_of_another_kind_is_refused_with_every_reason_and_converted(
    portal: Served, ana: Browserless
) -> None:
    refused = uploaded(ana, sound(44_100, 2), "Music")
    assert (refused.status_code, codes(refused.text)) == (422, ["greeting_unplayable"])
    assert "It has 44100 samples a second; 8000 are needed." in refused.text
    assert "It has 2 channels; it must be mono." in refused.text
    assert portal.command("greeting", "list", ANA) == []
    held = token(refused.text, "held")
    fields = {"do": "greeting_convert", "held": held, "name": "Music"}
    ana.send_form(GREETINGS, refused.text, fields)
    (kept,) = portal.command("greeting", "list", ANA)
    assert (kept["name"], kept["seconds"]) == ("Music", 1.0)
    again = ana.send_form(GREETINGS, refused.text, fields)
    assert (again.status_code, codes(again.text)) == (422, ["argument_missing"])


def test_what_is_no_sound_at_all_is_refused(ana: Browserless) -> None:
    refused = uploaded(ana, b"%PDF-1.4 and so on")
    assert "It is no WAV file." in refused.text
    fields = {"do": "greeting_convert", "held": token(refused.text, "held"), "name": "x"}
    answer = ana.send_form(GREETINGS, refused.text, fields)
    assert codes(answer.text) == ["greeting_unconvertible"]


def test_the_list_of_recordings_says_what_to_do_when_it_is_empty(ana: Browserless) -> None:
    assert "Turn recording on" in ana.get("/recordings").text


@pytest.mark.parametrize(
    "path",
    [f"/lines/{BEKA}/voicemail", f"/greetings/{BEKA}", f"{BOX}/{'0' * 32}/sound",
     f"{GREETINGS}/{'0' * 32}/sound", f"/recordings/{'0' * 32}/sound"],
)  # fmt: skip
def test_sounds_of_others_are_not_there(ana: Browserless, path: str) -> None:
    assert ana.send("GET", path).status_code == 404


def test_a_mailbox_is_closed(ana: Browserless) -> None:
    ana.post(BOX, do="voicemail_disable")
    assert ana.get(BOX).status_code == 404
