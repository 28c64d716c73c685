"""Bindings: what a REGISTER does, whole or not at all (RFC 3261 section 10.3)."""

import pytest
from sip_messages import request

from sip.errors import SipError
from sip.flow import Flow
from sip.reading import parse_message
from sip.registrar import Registrar, RegistrarLimits, Registration

FLOW = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.7", 40000))
OTHER = Flow("tcp", ("192.0.2.1", 5060), ("198.51.100.8", 40001))
NOW = 1_800_000_000.0


class Desk:
    """A registrar of alice's, and a count of her REGISTERs."""

    def __init__(self, **limits) -> None:
        self.registrar = Registrar(RegistrarLimits(**limits))
        self.now = NOW
        self.cseq = 0

    def register(
        self, contact: bytes | None, flow: Flow = FLOW, aor="alice", **fields
    ) -> Registration:
        self.cseq += 1
        fields.setdefault("CSeq", b"%d REGISTER" % self.cseq)
        nonce_age = fields.pop("nonce_age", 3600.0)
        data = request("REGISTER", b"sip:example.org", Contact=contact, **fields)
        return self.registrar.register(
            aor, parse_message(data), flow, self.now, proven_at=self.now - nonce_age
        )

    def refused(self, contact: bytes | None, **fields) -> SipError:
        before = self.contacts()
        with pytest.raises(SipError) as caught:
            self.register(contact, **fields)
        assert self.contacts() == before
        return caught.value

    def contacts(self) -> list[tuple[bytes, float]]:
        """URIs and the seconds that they have left, in the order in which phones are rung."""
        found = self.registrar.lookup("alice", self.now)
        return [(binding.contact, binding.expires_at - self.now) for binding in found]


def test_a_binding_lives_for_as_long_as_was_asked_or_as_we_say():
    desk = Desk(default_expires=3600, max_expires=7200)
    desk.register(b"<sip:a@h>", Expires=b"600")
    assert desk.contacts() == [(b"sip:a@h", 600)]
    desk.register(b"<sip:a@h>;expires=300", Expires=b"600")
    assert desk.contacts() == [(b"sip:a@h", 300)]
    desk.register(b"<sip:a@h>")
    assert desk.contacts() == [(b"sip:a@h", 3600)]
    desk.register(b"<sip:a@h>;expires=4294967295")
    assert desk.contacts() == [(b"sip:a@h", 7200)]
    desk.now += 7200
    assert desk.contacts() == []


def test_an_expires_parameter_that_is_none_gives_way_to_the_field():
    desk = Desk()
    for value in (b"soon", b"-5", b"", b"\xd9\xa3", b"99999999999"):
        desk.register(b'<sip:a@h>;expires="%s"' % value, Expires=b"600")
        assert desk.contacts() == [(b"sip:a@h", 600)]
    assert desk.refused(b"<sip:a@h>", Expires=b"soon").status == 400


def test_too_brief_an_interval_is_423_with_the_least():
    desk = Desk(min_expires=60)
    for fields in ({"Expires": b"59"}, {"Expires": b"1"}):
        error = desk.refused(b"<sip:a@h>", **fields)
        assert (error.status, error.headers) == (423, ((b"Min-Expires", b"60"),))
    assert desk.refused(b"<sip:a@h>, <sip:b@h>;expires=59").status == 423
    desk.register(b"<sip:a@h>;expires=60")
    assert desk.contacts() == [(b"sip:a@h", 60)]


def test_several_phones_the_best_first_then_the_newest():
    desk = Desk()
    desk.register(b"<sip:a@h>;q=0.5, <sip:b@h>;q=0.8")
    desk.now += 1
    made = desk.register(b"<sip:c@h>;q=0.5")
    assert [uri for uri, _ in desk.contacts()] == [b"sip:b@h", b"sip:c@h", b"sip:a@h"]
    assert [b.contact for b in made.added] == [b"sip:c@h"]
    assert len(made.bindings) == 3 and not made.removed and not made.refreshed
    fields = desk.registrar.ok_fields(made, desk.now)
    assert fields[0] == (b"Contact", b"<sip:b@h>;expires=3599;q=0.8")


@pytest.mark.parametrize(
    ("q", "value"),
    [
        (b"1", 1.0), (b"1.000", 1.0), (b"0", 0.0), (b"0.", 0.0), (b"0.5", 0.5), (b"0.123", 0.123),
        (b"1.5", 1.0), (b"0.1234", 1.0), (b"2", 1.0), (b"-1", 1.0), (b"x", 1.0), (b'""', 1.0),
        (b"0.\xd9\xa3", 1.0), (b"0.1e1", 1.0), (b".5", 1.0),
    ],
)  # fmt: skip
def test_q_values(q, value):
    desk = Desk()
    (binding,) = desk.register(b"<sip:a@h>;q=" + q).bindings
    assert binding.q == value


def test_a_register_without_contacts_only_asks():
    desk = Desk()
    desk.register(b"<sip:a@h>")
    asked = desk.register(None)
    assert [b.contact for b in asked.bindings] == [b"sip:a@h"]
    assert asked == Registration(asked.bindings)


def test_a_binding_is_refreshed_and_removed_by_its_own_uri():
    desk = Desk()
    desk.register(b"<sip:a@h>, <sip:b@h>")
    refreshed = desk.register(b"<sip:a@h>;expires=600")
    assert [b.contact for b in refreshed.refreshed] == [b"sip:a@h"] and not refreshed.added
    removed = desk.register(b"<sip:b@h>;expires=0")
    assert [b.contact for b in removed.removed] == [b"sip:b@h"]
    assert desk.contacts() == [(b"sip:a@h", 600)]
    assert desk.register(b"<sip:absent@h>", Expires=b"0").removed == ()


def test_the_same_contact_twice_is_one_binding_as_the_last_one_says():
    desk = Desk()
    made = desk.register(b"<sip:a@h>;expires=600, <sip:a@h>;expires=900")
    assert [b.contact for b in made.added] == [b"sip:a@h"]
    assert desk.contacts() == [(b"sip:a@h", 900)]
    made = desk.register(b"<sip:a@h>, <sip:a@h>;expires=0")
    assert len(made.removed) == 1 and desk.contacts() == []


def test_contact_star_removes_everything_of_this_address_of_record_only():
    desk = Desk()
    desk.register(b"<sip:a@h>, <sip:b@h>")
    desk.register(b"<sip:x@h>", aor="bob")
    removed = desk.register(b"*", Expires=b"0")
    assert {b.contact for b in removed.removed} == {b"sip:a@h", b"sip:b@h"}
    assert desk.contacts() == [] and len(desk.registrar) == 1
    assert desk.register(b"*", Expires=b"0").removed == ()


@pytest.mark.parametrize(
    ("contact", "expires"),
    [
        (b"*", None), (b"*", b"3600"), (b"*, <sip:a@h>", b"0"), (b"<sip:a@h>, *", b"0"), (b"*, *",
        b"0"), (b"*;expires=0", None), (b"<*>", b"0"),
    ],
)  # fmt: skip
def test_contact_star_stands_alone_with_expires_0(contact, expires):
    desk = Desk()
    desk.register(b"<sip:a@h>")
    assert desk.refused(contact, Expires=expires).status == 400


@pytest.mark.parametrize(
    "contact",
    [
        b"<tel:+995322000001>", b"<name:John_Smith>", b"<mailto:a@b>", b"<sip:a@h",
        b"sip:a@h?Route=%3Csip:x%3E", b"<sip:a%%@h>", b"<sip:" + b"a" * 600 + b"@h>",
    ],
)  # fmt: skip
def test_contacts_that_cant_be_registered(contact):
    desk = Desk()
    desk.register(b"<sip:a@h>")
    assert desk.refused(contact).status == 400
    assert desk.refused(b"<sip:good@h>, " + contact).status == 400


def test_parameters_of_the_field_and_of_the_uri_are_kept_apart():
    desk = Desk()
    desk.register(b"sip:a@h;unknownparam")
    desk.register(b"<sip:b@h;unknownparam?Route=%3Csip:x%3E>")
    desk.register(b"<sip:null-%00-null@h>")
    desk.register(b"<sip:null-%00@h>")
    assert {uri for uri, _ in desk.contacts()} == {
        b"sip:a@h", b"sip:b@h;unknownparam?Route=%3Csip:x%3E", b"sip:null-%00-null@h",
        b"sip:null-%00@h",
    }  # fmt: skip


def uris(desk: Desk) -> set[bytes]:
    return {uri for uri, _ in desk.contacts()}


def test_above_the_greatest_number_of_contacts_the_one_that_would_end_first_goes():
    desk = Desk(max_contacts=2)
    desk.register(b"<sip:a@h>;expires=900, <sip:b@h>;expires=300", OTHER)
    assert [gone.contact for gone in desk.register(b"<sip:c@h>;expires=600").removed] == [
        b"sip:b@h"
    ]
    assert uris(desk) == {b"sip:a@h", b"sip:c@h"}
    desk.register(b"<sip:a@h>;expires=0, <sip:d@h>")  # one goes, one comes
    assert uris(desk) == {b"sip:c@h", b"sip:d@h"}


def test_what_the_same_phone_left_behind_goes_before_others():
    """A phone that comes by another port each time is of one source and one User-Agent."""
    desk = Desk(max_contacts=3)
    desk.register(b"<sip:a@h>;expires=60", OTHER, User_Agent=b"Desk phone")
    desk.register(b"<sip:a@h:1>;expires=900", User_Agent=b"Other")
    for port in range(2, 9):
        desk.register(b"<sip:a@h:%d>;expires=600" % port, User_Agent=b"Moving")
    assert uris(desk) == {b"sip:a@h", b"sip:a@h:1", b"sip:a@h:8"}
    desk.register(b"<sip:b@h>", OTHER._replace(remote=("203.0.113.5", 1)), User_Agent=b"Moving")
    assert uris(desk) == {b"sip:a@h:1", b"sip:a@h:8", b"sip:b@h"}  # a would have ended first


def test_a_connection_whose_binding_had_to_go_is_released():
    desk = Desk(max_contacts=1)
    desk.register(b"<sip:a@h>;expires=60", OTHER)
    assert desk.register(b"<sip:b@h>").released == (OTHER,)


def test_one_register_has_no_more_contacts_than_may_be():
    desk = Desk(max_contacts=2)
    desk.register(b"<sip:a@h>, <sip:b@h>")
    assert desk.refused(b"<sip:a@h>, <sip:c@h>, <sip:d@h>").status == 403
    assert desk.refused(b", ".join(b"<sip:%d@h>" % n for n in range(500))).status in (400, 403)


# Order


def test_a_phone_that_forgot_its_cseq_is_taken_by_a_nonce_that_is_younger_than_its_binding():
    desk = Desk()
    desk.register(b"<sip:a@h>;expires=600", CSeq=b"500 REGISTER")
    desk.now += 30.0
    for age in (30.0, 31.0, 3600.0):  # an old message would have an old nonce
        assert desk.refused(b"<sip:a@h>", CSeq=b"2 REGISTER", nonce_age=age).status == 500
    desk.register(b"<sip:a@h>;expires=600", CSeq=b"2 REGISTER", nonce_age=0.1)
    assert desk.contacts() == [(b"sip:a@h", 600)]
    desk.now += 30.0
    desk.register(b"*", Expires=b"0", CSeq=b"1 REGISTER", nonce_age=0.1)
    assert desk.contacts() == []


SAME_CONTACTS = [
    (b"<sip:a@h;transport=udp;ob>", b"<sip:a@h;ob;transport=UDP>"),
    (b"<sip:a@h;x=1>", b"<sip:a@H>"),
    (b"<sip:%61@h;x=%41>", b"<sip:a@h;x=a>"),
]
OTHER_CONTACTS = [
    (b"<sip:a@h>", b"<sip:A@h>"),
    (b"<sip:a@h>", b"<sip:a@h:5060>"),
    (b"<sip:a@h>", b"<sip:a@h;transport=udp>"),
    (b"<sip:a@h;x=1>", b"<sip:a@h;x=2>"),
    (b"<sip:a@h>", b"<sips:a@h>"),
]


@pytest.mark.parametrize(("first", "second"), SAME_CONTACTS)
def test_contacts_are_compared_as_uris(first, second):
    """RFC 3261 section 19.1.4."""
    desk = Desk()
    desk.register(first + b";expires=300")
    desk.register(second + b";expires=600")
    assert [left for _, left in desk.contacts()] == [600]
    desk.register(first + b";expires=0")
    assert desk.contacts() == []
    desk.register(first + b";expires=300, " + second + b";expires=600")  # the last one counts
    assert [left for _, left in desk.contacts()] == [600]


@pytest.mark.parametrize(("first", "second"), OTHER_CONTACTS)
def test_contacts_that_are_two_uris_are_two_bindings(first, second):
    desk = Desk()
    desk.register(first)
    desk.register(second)
    assert len(desk.contacts()) == 2


def test_of_one_call_id_only_a_higher_cseq_changes_a_binding():
    desk = Desk()
    desk.register(b"<sip:a@h>;expires=600", CSeq=b"7 REGISTER")
    for late in (b"7 REGISTER", b"6 REGISTER"):
        assert desk.refused(b"<sip:a@h>;expires=0", CSeq=late).status == 500
        assert desk.refused(b"*", Expires=b"0", CSeq=late).status == 500
        assert desk.refused(b"<sip:b@h>, <sip:a@h>", CSeq=late).status == 500
    desk.register(b"<sip:a@h>", CSeq=b"1 REGISTER", Call_ID=b"after-a-reboot")
    desk.register(b"<sip:a@h>;expires=0", CSeq=b"8 REGISTER")
    assert desk.contacts() == []


def test_the_message_that_made_a_binding_may_come_by_another_node_too():
    """An edge sends it there if the first node was late with its answer."""
    desk = Desk()
    made = desk.register(b"<sip:a@h>", CSeq=b"7 REGISTER")
    other = Desk()
    other.registrar.restore(made.bindings)
    other.now = desk.now + 2
    again = other.register(b"<sip:a@h>", CSeq=b"7 REGISTER")
    assert [binding.contact for binding in again.refreshed] == [b"sip:a@h"]
    other.now += 40
    assert other.refused(b"<sip:a@h>", CSeq=b"7 REGISTER").status == 500
    assert other.refused(b"<sip:a@h>", CSeq=b"6 REGISTER").status == 500


# Phones that move


INSTANCE = b';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"'


def test_a_phone_that_moved_isnt_rung_twice():
    desk = Desk()
    desk.register(b"<sip:a@10.0.0.1>" + INSTANCE)
    made = desk.register(b"<sip:a@10.0.0.2>" + INSTANCE, flow=OTHER)
    assert [b.contact for b in made.removed] == [b"sip:a@10.0.0.1"]
    (binding,) = made.bindings
    assert (binding.contact, binding.flow) == (b"sip:a@10.0.0.2", OTHER)
    assert binding.instance == "<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"


def test_an_overtaken_register_doesnt_move_the_phone_back():
    desk = Desk()
    desk.register(b"<sip:a@10.0.0.2>" + INSTANCE, CSeq=b"8 REGISTER")
    assert desk.refused(b"<sip:a@10.0.0.1>" + INSTANCE, CSeq=b"7 REGISTER").status == 500


def test_a_refresh_from_another_address_moves_the_flow_and_keeps_the_path():
    desk = Desk()
    desk.register(b"<sip:a@h>", Path=b"<sip:p1;lr>, <sip:p2;lr>", User_Agent=b"x" * 500)
    (binding,) = desk.registrar.lookup("alice", desk.now)
    assert binding.path == (b"<sip:p1;lr>", b"<sip:p2;lr>")
    assert len(binding.user_agent) == 128
    desk.register(b"<sip:a@h>", flow=OTHER)
    (binding,) = desk.registrar.lookup("alice", desk.now)
    assert (binding.flow, binding.path, binding.user_agent) == (OTHER, (), "")


def test_a_lost_connection_takes_its_bindings_along():
    desk = Desk()
    desk.register(b"<sip:a@h>")
    lost = OTHER._replace(transport="tcp")
    desk.register(b"<sip:b@h>", flow=lost)
    (left,) = desk.registrar.drop_flow(lost, desk.now).values()
    assert [b.contact for b in left.removed] == [b"sip:b@h"]
    assert [uri for uri, _ in desk.contacts()] == [b"sip:a@h"]
    assert desk.registrar.drop_flow(lost, desk.now) == {}


# Over time


def test_what_ran_out_is_forgotten_once():
    desk = Desk()
    desk.register(b"<sip:a@h>;expires=100, <sip:b@h>;expires=200")
    desk.now += 100
    assert [b.contact for b in desk.registrar.expire(desk.now)] == [b"sip:a@h"]
    assert desk.registrar.expire(desk.now) == []
    assert len(desk.registrar.all(desk.now)) == len(desk.registrar) == 1
    desk.now += 100
    assert len(desk.registrar.expire(desk.now)) == 1
    assert len(desk.registrar) == 0


def test_bindings_of_the_time_before_a_restart_go_on():
    desk = Desk()
    made = desk.register(b"<sip:a@h>;expires=100, <sip:b@h>;expires=200;q=0.3")
    after = Desk()
    after.registrar.restore(made.bindings)
    after.cseq, after.now = desk.cseq, desk.now + 100
    assert after.contacts() == [(b"sip:b@h", 100)]
    assert after.refused(b"<sip:b@h>", CSeq=b"1 REGISTER").status == 500
    assert after.registrar.lookup("alice", after.now)[0] == made.bindings[1]
