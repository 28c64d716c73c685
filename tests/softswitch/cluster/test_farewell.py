"""BYEs from stored dialogs: by which socket they go, and which can't be sent."""

from billing.facts.live_call import StoredDialogs
from sip import stored_dialog
from sip.credentials import Credentials
from sip.dialog import Dialog
from sip.endpoint import Listen
from sip.flow import Flow
from sip.stack import Stack
from softswitch.cluster.farewell import farewells, say_bye

UDP = Listen("udp", "192.0.2.9", 5060)
TCP = Listen("tcp", "192.0.2.9", 5060)


def call(*flows: Flow, key: str = "c", authenticates: bool = False) -> StoredDialogs:
    ends = [
        stored_dialog.stored(
            Dialog(
                call_id="c@x", local=b"<sip:b@x>;tag=our%d" % number, local_tag=f"our{number}",
                remote=b"<sip:a@x>;tag=their%d" % number, remote_tag=f"their{number}",
                remote_target=b"sip:a@198.51.100.7:5060", route_set=(),
                contact=b"<sip:192.0.2.1>", flow=flow, pinned=True,
            ),
            authenticates=authenticates,
        )
        for number, flow in enumerate(flows)
    ]  # fmt: skip
    return StoredDialogs(key, "carrier", stored_dialog.encode(ends))


def flow(transport: str = "udp", host: str = "198.51.100.7") -> Flow:
    return Flow(transport, ("192.0.2.1", 5060), (host, 40_000))


def test_a_bye_goes_by_a_socket_of_the_switch_that_sends_it() -> None:
    (one, other) = farewells([call(flow(), flow(host="198.51.100.8"))], [TCP, UDP])
    assert one.dialog.flow == Flow("udp", ("192.0.2.9", 5060), ("198.51.100.7", 40_000))
    assert other.dialog.flow.remote == ("198.51.100.8", 40_000)


def test_a_restarted_switch_sends_by_the_same_socket_as_before() -> None:
    (end,) = farewells([call(flow())], [UDP, Listen("udp", "192.0.2.1", 5060)])
    assert end.dialog.flow == flow()


def test_the_ends_of_a_call_with_two_payers_get_one_bye_each() -> None:
    ends = (flow(), flow(host="198.51.100.8"))
    assert len(list(farewells([call(*ends), call(*ends, key="c-b")], [UDP]))) == 2


def test_an_end_over_a_transport_that_this_switch_has_not_gets_none() -> None:
    assert list(farewells([call(flow("wss")), call(flow(host="2001:db8::7"))], [UDP, TCP])) == []


def test_a_lost_tcp_connection_is_opened_anew_to_the_contact() -> None:
    (end,) = farewells([call(flow("tcp"))], [TCP])
    stack = Stack(randbits=lambda bits: 1, sent_by=lambda flow: flow.local, server="x")
    say_bye(stack, end, lambda trunk: None, 0.0)
    ((message, way),) = stack.to_send()
    assert message.startswith(b"BYE sip:a@198.51.100.7:5060 SIP/2.0\r\n")
    assert way == Flow("tcp", ("192.0.2.9", 5060), ("198.51.100.7", 5060), "198.51.100.7")


def test_a_trunk_that_challenges_the_bye_gets_its_credentials() -> None:
    (end,) = farewells([call(flow(), authenticates=True)], [UDP])
    asked: list[str] = []

    def credentials_of(trunk: str) -> Credentials | None:
        asked.append(trunk)
        return None

    stack = Stack(randbits=lambda bits: 1, sent_by=lambda flow: flow.local, server="x")
    say_bye(stack, end, credentials_of, 0.0)
    assert asked == ["carrier"]
    ((message, _),) = stack.to_send()
    assert b"CSeq: 1048577 BYE\r\n" in message
    assert b'Reason: Q.850;cause=41;text="Temporary failure"\r\n' in message
