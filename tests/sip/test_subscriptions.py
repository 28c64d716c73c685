"""Subscriptions: what a subscriber is told, and when, in literal seconds."""

import pytest
from subscriber import Subscriber

from sip import subscription as subscriptions
from sip.subscription import SUBSCRIPTION_GONE


def nothing_left(bob: Subscriber) -> None:
    bob.run(70.0)
    assert (
        len(bob.agent.subscriptions)
        == len(bob.agent.stack.layer)
        == len(bob.agent.stack.timers)
        == 0
    )


def test_a_subscriber_is_told_the_state_at_once_and_each_change():
    bob = Subscriber()
    assert bob.subscribe("Expires: 600") == 200
    assert bob.responses[0].get(b"expires") == b"600"
    bob.run(10.0)
    bob.change("sun")
    assert bob.said == [
        "0 200",
        "0 NOTIFY active;expires=600 0: rain",
        "10 NOTIFY active;expires=590 1: sun",
    ]
    first = bob.notifies[0]
    assert (first.to_tag, first.from_tag) == ("bob", bob.tag)
    assert first.raw_uri == b"sip:bob@192.0.2.2:5060"
    assert (first.get(b"event"), first.get(b"content-type")) == (b"weather", b"text/plain")
    assert first.get(b"contact") == bob.responses[0].get(b"contact") == b"<sip:192.0.2.1:5060>"


def test_the_id_of_an_event_comes_back():
    bob = Subscriber()
    bob.subscribe("Expires: 600", event="weather ; id=7;x=y")
    assert bob.notifies[0].get(b"event") == b"weather;id=7"


def test_without_expires_it_lasts_as_the_package_says_and_never_longer_than_the_limit():
    bob, greedy = Subscriber(), Subscriber()
    bob.subscribe()
    greedy.subscribe("Expires: 4294967295")
    assert bob.responses[0].get(b"expires") == b"3600"
    assert greedy.responses[0].get(b"expires") == b"7200"


def test_too_short_is_refused_with_the_shortest_that_is_granted():
    bob = Subscriber()
    assert bob.subscribe("Expires: 59") == 423
    assert bob.responses[0].get(b"min-expires") == b"60"
    assert bob.notifies == []
    nothing_left(bob)


def test_changes_that_follow_each_other_fast_are_told_once_a_second():
    bob = Subscriber()
    bob.subscribe("Expires: 600")
    for weather in ("sun", "snow", "fog"):
        bob.change(weather)
    bob.run(5.0)
    assert bob.said[2:] == ["1 NOTIFY active;expires=599 1: fog"]


def test_one_notify_at_a_time_and_the_next_tells_the_last_state():
    bob = Subscriber(answers=None)
    bob.subscribe("Expires: 600")
    bob.run(1.0)
    bob.change("sun")
    bob.change("fog")
    assert len({notify.cseq.number for notify in bob.notifies}) == 1
    bob.answers = 200
    bob.run(1.0)  # the first NOTIFY is repeated, and answered now
    assert bob.said[-2:] == ["1.5 NOTIFY active;expires=600 0: rain",
                             "1.5 NOTIFY active;expires=598 1: fog"]  # fmt: skip


def test_it_ends_when_its_time_is_over():
    bob = Subscriber()
    bob.subscribe("Expires: 60")
    bob.run(100.0)
    assert bob.said == ["0 200", "0 NOTIFY active;expires=60 0: rain",
                        "60 NOTIFY terminated;reason=timeout 1: rain"]  # fmt: skip
    assert bob.told() == ["Received", "SubscriptionEnded"]
    nothing_left(bob)


def test_a_refresh_prolongs_it_and_is_answered_with_the_state():
    bob = Subscriber()
    bob.subscribe("Expires: 60")
    bob.run(50.0)
    assert bob.refresh("Expires: 60") == 200
    bob.run(59.0)
    assert bob.said[2:] == ["50 200", "50 NOTIFY active;expires=60 1: rain"]
    bob.run(2.0)
    assert bob.said[-1] == "110 NOTIFY terminated;reason=timeout 2: rain"
    nothing_left(bob)


def test_who_unsubscribes_is_told_the_state_once_more():
    bob = Subscriber()
    bob.subscribe("Expires: 60")
    bob.run(5.0)
    assert bob.refresh("Expires: 0") == 200
    assert bob.responses[-1].get(b"expires") == b"0"
    assert bob.said[-1] == "5 NOTIFY terminated;reason=timeout 1: rain"
    assert bob.refresh("Expires: 60") == 481
    nothing_left(bob)


def test_a_fetch_is_told_once():
    bob = Subscriber()
    assert bob.subscribe("Expires: 0") == 200
    assert bob.said == ["0 200", "0 NOTIFY terminated;reason=timeout 0: rain"]
    nothing_left(bob)


def test_a_repeated_subscribe_gets_the_same_answer_and_nothing_else():
    bob = Subscriber()
    bob.subscribe("Expires: 60")
    bob.send(bob.last)
    assert bob.said == ["0 200", "0 NOTIFY active;expires=60 0: rain", "0 200"]
    assert bob.responses[0].to_tag == bob.responses[1].to_tag
    assert len(bob.agent.subscriptions) == 1


@pytest.mark.parametrize("status", sorted(SUBSCRIPTION_GONE))
def test_an_answer_that_says_so_ends_it_without_another_word(status):
    bob = Subscriber(answers=status)
    bob.subscribe("Expires: 600")
    bob.run(1.0)
    assert bob.told() == ["Received", "SubscriptionEnded"]
    assert len(bob.notifies) == 1
    nothing_left(bob)


@pytest.mark.parametrize("status", [401, 407, 400, 500, 503, 600])
def test_an_answer_that_only_refuses_this_notify_ends_nothing(status):
    bob = Subscriber(answers=status)
    bob.subscribe("Expires: 600")
    bob.run(2.0)
    bob.change("sun")
    assert len(bob.notifies) == 2
    assert b"authorization" not in {name.lower() for name, _ in bob.notifies[1].fields}


def test_it_ends_when_nobody_answers_for_32_seconds():
    bob = Subscriber(answers=None)
    bob.subscribe("Expires: 600")
    bob.run(31.9)
    assert len(bob.agent.subscriptions) == 1
    bob.run(0.2)
    assert bob.told() == ["Received", "SubscriptionEnded"]
    nothing_left(bob)


def test_the_notifier_may_end_it_and_says_why():
    bob = Subscriber()
    bob.subscribe("Expires: 600")
    bob.subscription.end(b"rejected", bob.now)
    bob.run(0.1)
    assert bob.said[-1] == "0 NOTIFY terminated;reason=rejected"
    bob.subscription.changed(bob.now)
    bob.subscription.end(b"timeout", bob.now)
    bob.run(5.0)
    assert len(bob.notifies) == 2
    nothing_left(bob)


def test_ended_while_a_notify_is_under_way_it_says_so_afterwards():
    bob = Subscriber(answers=None)
    bob.subscribe("Expires: 600")
    bob.subscription.end(b"noresource", bob.now)
    bob.run(0.1)
    assert len(bob.notifies) == 1
    bob.answers = 200
    bob.run(1.0)
    assert bob.said[-1] == "0.5 NOTIFY terminated;reason=noresource"
    nothing_left(bob)


@pytest.mark.parametrize(
    ("accept", "status"),
    [("text/plain", 200), ("Text/Plain;q=0.5, a/b", 200), ("text/*", 200), ("*/*", 200),
     ("application/xml", 406), ("text/html", 406), ("", 200)],
)  # fmt: skip
def test_only_who_takes_the_bodies_may_subscribe(accept, status):
    bob = Subscriber()
    assert bob.subscribe(f"Accept: {accept}") == status


@pytest.mark.parametrize("event", ["rain", "weather;id=2"])
def test_a_dialog_has_one_subscription(event):
    bob = Subscriber()
    bob.subscribe()
    assert bob.refresh(event=event) == 489
    assert len(bob.notifies) == 1


def test_an_older_request_of_the_dialog_is_out_of_order():
    bob = Subscriber()
    bob.subscribe()
    bob.refresh()
    bob._cseq = 0
    assert bob.refresh() == 500


def test_without_a_contact_there_is_nobody_to_notify():
    bob = Subscriber()
    assert bob.subscribe("Contact: <sip:second@192.0.2.2>") == 400


def test_a_broken_event_is_refused():
    bob = Subscriber()
    assert bob.subscribe("Event: weather") == 400


def test_too_many_subscriptions(monkeypatch):
    monkeypatch.setattr(subscriptions, "MAX_SUBSCRIPTIONS", 0)
    assert Subscriber().subscribe() == 503


def test_other_methods_have_no_place_in_the_dialog():
    bob = Subscriber()
    bob.subscribe()
    bob.send(bob.last.replace(b"SUBSCRIBE", b"BYE").replace(
        b"To: <sip:alice@example.org>", b"To: <sip:alice@example.org>;tag=" + bob.tag.encode()
    ).replace(b"branch=z9hG4bKs1", b"branch=z9hG4bKb"))  # fmt: skip
    assert bob.responses[-1].status == 405


def test_many_that_come_and_go_leave_no_trace():
    bob = Subscriber()
    for _ in range(500):
        bob.responses.clear()
        bob.subscribe("Expires: 7200")
        bob.refresh("Expires: 0")
    bob.run(60.0)
    assert len(bob.agent.subscriptions) == 0
    assert len(bob.agent.subscriptions._ends) <= 100
