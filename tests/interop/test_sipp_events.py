"""A subscriber against a real process: the operator changes something, and the phone is told."""

from switchboard import ANA, until


def test_messages_that_wait_reach_the_phone_that_subscribed(board):
    phone = board.sipp("subscribe.xml", board.phones[0], login="ana", password="secret",
                       target="ana", event="message-summary")  # fmt: skip
    (row,) = until(lambda: board.ask("subscription_list"), "the phone subscribes")
    assert (row["line"], row["package"], row["watched"]) == (ANA, "message-summary", ANA)
    assert (row["transport"], row["source"]) == ("udp", f"127.0.0.1:{board.phones[0]}")
    board.ask("line_set", number=ANA, key="waiting", value="2/5")
    board.ends_well(phone)
    assert board.ask("subscription_list") == []
