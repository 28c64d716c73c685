"""Which codecs we speak with whom, and what each side's packets are then taken for."""

import pytest

from rtp import opus as library
from rtp.formats import OpusTerms
from sip.offer_answer import Codec
from sip.opus import OWN_PARAMETERS, wishes
from softswitch.call.media.codecs import (
    Agreement,
    added_to,
    answered_codecs,
    common,
    needs_transcoding,
    offered_codecs,
    spoken_of,
)

PCMU, PCMA = Codec(0, "PCMU", 8000), Codec(8, "PCMA", 8000)
G729 = Codec(18, "G729", 8000)
KEYS = Codec(101, "TELEPHONE-EVENT", 8000, 1, "0-15")
FAST_KEYS = Codec(110, "TELEPHONE-EVENT", 48_000, 1, "0-15")


def opus(number, fmtp=None):
    return Codec(number, "OPUS", 48_000, 2, fmtp)


needs_opus = pytest.mark.skipif(not library.AVAILABLE, reason="libopus isn't installed")


def summary(*sides):
    agreed = Agreement(*sides)
    return (
        agreed.clock_rate,
        None if agreed.spoken is None else agreed.spoken.payload_type,
        None if agreed.event is None else agreed.event.payload_type,
        tuple(number for number, name in agreed.formats.received if name == "OPUS"),
    )


@needs_opus
def test_a_phone_with_both_talks_g711_with_us_and_opus_with_one_who_answers_so():
    phone = (opus(96), PCMU, FAST_KEYS, KEYS)
    assert summary(phone, None) == (8000, 0, 101, (111, 96))
    assert summary(phone, (opus(107), FAST_KEYS)) == (48_000, 96, 110, (107, 96))
    assert summary(phone, (PCMU, KEYS)) == (8000, 0, 101, (111, 96))


@needs_opus
def test_who_has_opus_alone_is_spoken_to_in_opus():
    assert summary((opus(96), KEYS), (PCMA, KEYS)) == (48_000, 96, 101, (111, 96))
    assert summary((PCMA, KEYS), (opus(96), KEYS)) == (8000, 8, 101, (96,))


def test_without_anything_that_we_speak_we_say_nothing_but_count():
    assert summary((G729, KEYS), (G729, KEYS)) == (8000, None, 101, (111,))


def test_who_agreed_on_a_codec_that_we_dont_speak_is_spoken_to_in_another_of_theirs():
    assert summary((G729, PCMU), (G729,)) == (8000, 0, None, (111,))


@needs_opus
def test_a_number_that_means_something_else_is_never_opus():
    speex = Codec(111, "SPEEX", 16_000)
    assert summary((opus(96), speex), None)[3] == (96,)
    assert spoken_of((opus(0), PCMA)) == PCMA
    assert spoken_of((opus(0),)) == opus(0)  # the rtpmap decides, never the number


@needs_opus
def test_what_is_added_to_an_offer_has_numbers_of_its_own_and_keys_of_its_clock():
    added = added_to((PCMU, KEYS))
    assert opus(111, OWN_PARAMETERS) in added and FAST_KEYS in added
    taken = (PCMU, Codec(101, "SPEEX", 8000), Codec(111, "TELEPHONE-EVENT", 8000))
    numbers = {codec.name: codec.payload_type for codec in added_to(taken)}
    assert numbers["OPUS"] == 127 and numbers["TELEPHONE-EVENT"] == 110


@needs_opus
def test_keys_of_8_khz_are_added_for_who_has_them_beside_opus_alone():
    added = added_to((opus(111), FAST_KEYS))
    assert KEYS in added and not any(codec.name == "OPUS" for codec in added)


def test_who_knows_no_keys_is_not_said_to():
    assert not any(codec.name == "TELEPHONE-EVENT" for codec in added_to((PCMU,)))


def test_nothing_is_added_to_what_we_cant_make_anything_of():
    assert added_to((G729, KEYS)) == ()
    assert not needs_transcoding((G729,), (PCMU,))


def test_laws_are_answered_if_there_is_one():
    assert [codec.name for codec in answered_codecs((opus(96), PCMA))] == ["PCMU", "PCMA"]


def test_our_own_offer_has_keys_for_each_clock():
    clocks = {codec.clock_rate for codec in offered_codecs()}
    keys = {c.clock_rate for c in offered_codecs() if c.name == "TELEPHONE-EVENT"}
    assert keys == clocks


def test_of_two_lists_the_shorter_one_is_the_answer():
    offer, answer = (PCMU, G729, PCMA, KEYS), (PCMA, PCMU)
    assert common(offer, answer) == common(answer, offer) == (PCMA, PCMU)


def test_each_sides_codec_has_that_sides_number():
    assert common((opus(96), PCMU), (opus(107),)) == (opus(96),)
    assert common((opus(107),), (opus(96), PCMU)) == (opus(107),)


@pytest.mark.parametrize(
    ("fmtp", "wished"),
    [
        (None, (False, False, 0)),
        ("useinbandfec=1; usedtx=1;minptime=10;stereo=1", (True, False, 0)),
        ("maxaveragebitrate=20000;CBR=1", (False, True, 20_000)),
        ("maxaveragebitrate=1;useinbandfec=0", (False, False, 6_000)),
        ("maxaveragebitrate=999999999;useinbandfec=yes", (False, False, 0)),
        (";;=;maxaveragebitrate=-5;\xff", (False, False, 0)),
    ],
)
def test_a_peers_parameters(fmtp, wished):
    found = wishes(fmtp)
    assert (found.recoverable, found.constant, found.max_bitrate) == wished


@needs_opus
def test_a_peers_wishes_reach_its_encoder():
    phone = (opus(96, "useinbandfec=1;maxaveragebitrate=16000"),)
    assert Agreement(phone, None).formats.opus == OpusTerms(True, False, 16_000)


DYNAMIC_PCMU, DYNAMIC_PCMA = Codec(118, "PCMU", 8000), Codec(119, "PCMA", 8000)


@pytest.mark.parametrize("codec", [DYNAMIC_PCMU, DYNAMIC_PCMA, Codec(120, "G722", 8000)])
def test_g711_and_g722_are_spoken_by_the_number_of_the_rtpmap(codec):
    formats = Agreement((codec, KEYS), None).formats
    assert (formats.encoding, formats.payload_type) == (codec.name, codec.payload_type)
    assert formats.meanings()[codec.payload_type] == codec.name


def test_a_number_with_another_rtpmap_has_lost_its_static_meaning():
    formats = Agreement((Codec(0, "G726-32", 8000), Codec(8, "PCMU", 8000)), None).formats
    assert (formats.encoding, formats.payload_type) == ("PCMU", 8)
    meanings = formats.meanings()
    assert 0 not in meanings and meanings[8] == "PCMU"


def test_sides_with_other_numbers_for_one_codec_are_renumbered_each_by_its_own_map():
    gateway = (DYNAMIC_PCMU, Codec(97, "TELEPHONE-EVENT", 8000), Codec(98, "CN", 8000))
    phone = (PCMU, KEYS, Codec(13, "CN", 8000))
    there = Agreement(gateway, phone).formats
    assert dict(there.renumbered) == {118: 0, 97: 101, 98: 13}
    assert there.meanings()[98] == there.meanings()[13] == "CN"
    back = Agreement(phone, gateway, offered=gateway).formats
    assert dict(back.renumbered) == {0: 118, 101: 97, 13: 98}
    assert (back.payload_type, back.event_payload_type) == (0, 101)
    assert back.meanings()[118] == "PCMU" and back.meanings()[97] == "TELEPHONE-EVENT"


def test_a_side_that_answers_sends_by_the_numbers_that_it_was_offered():
    offered = (Codec(96, "PCMU", 8000), Codec(97, "PCMA", 8000))
    crosswise = (Codec(97, "PCMU", 8000), Codec(96, "PCMA", 8000))
    answered = Agreement(crosswise, offered, offered=offered).formats
    assert dict(answered.renumbered) == {0: 96, 8: 97}  # which a wider offer would have added
    assert (answered.meanings()[96], answered.payload_type) == ("PCMU", 97)
    assert dict(Agreement(offered, crosswise).formats.renumbered) == {96: 97, 97: 96, 0: 97, 8: 96}


def test_the_same_numbers_on_both_sides_are_never_renumbered():
    phone = (PCMU, PCMA, opus(111), KEYS, FAST_KEYS)
    assert Agreement(phone, (PCMU, KEYS)).formats.renumbered == ()
    assert Agreement((PCMU, KEYS), phone, offered=phone).formats.renumbered == ()


def test_two_numbers_of_one_codec_are_told_apart_by_their_parameters():
    def amr(number, fmtp):
        return Codec(number, "AMR", 8000, 1, fmtp)

    here = (amr(96, "octet-align=1"), amr(97, None))
    there = (amr(100, None), amr(101, "octet-align=1"))
    assert dict(Agreement(here, there).formats.renumbered) == {96: 101, 97: 100}


def test_a_static_number_is_offered_beside_a_dynamic_one_of_the_same_codec():
    assert PCMU in added_to((DYNAMIC_PCMU, KEYS))
    assert PCMU not in added_to((PCMU, DYNAMIC_PCMA, KEYS))


def test_redundancy_is_never_renumbered():
    here = (Codec(100, "RED", 8000, 1, "0/0"), PCMU)
    there = (Codec(101, "RED", 8000, 1, "0/0"), PCMU)
    assert Agreement(here, there).formats.renumbered == ()
