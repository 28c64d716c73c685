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


def test_the_running_switch_knows_its_trunks_health(make_board):
    board = make_board(TRUNKS__PING_SECONDS="10")
    board.start()
    board.ask("trunk_add", name="gateway", target=f"sip:127.0.0.1:{board.trunk_port}")
    assert board.ask("trunk_show", name="gateway")["health"] is None
    gateway = board.answers("options.xml", board.trunk_port)
    board.ends_well(gateway)
    row = until(lambda: (r := board.ask("trunk_list")[0])["round_trip_ms"] is not None and r, "it")
    assert (row["health"], row["lost_of_10"], row["trusted"]) == ("up", 0, False)
