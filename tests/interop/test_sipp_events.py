"""A subscriber against a real process: the operator changes something, and the phone is told."""

import time

ANA = "+995322000101"


def test_messages_that_wait_reach_the_phone_that_subscribed(board):
    board.line(ANA, "ana")
    phone = board.sipp("subscribe.xml", board.phones[0], login="ana", password="secret",
                       target="ana", event="message-summary")  # fmt: skip
    time.sleep(1.5)  # it subscribes meanwhile; SIPp says nothing of it
    assert board.cli("line", "set", ANA, "waiting", "2/5")["waiting"] == "2/5"
    board.ends_well(phone)
