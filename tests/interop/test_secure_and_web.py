"""A real switch on TLS and WebSocket: web phones, trunks by certificate, new certificates."""

import asyncio
import signal
import ssl

import pytest
from certificates import DAY, Authority
from switchboard import ANA, BEKA, LINES, until
from wire import SDP, StreamPhone, WebPhone

from sip.certificate import identities
from sip.reading import parse_message


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def secure(make_board, authority):
    """A switch on TLS and WebSocket, with an authority for clients and peers."""
    pair = authority.issue("localhost", "127.0.0.1", file="switch")
    board = make_board(
        TLS__CERTIFICATES=f"{pair.certificate}:{pair.key}",
        TLS__CLIENT_CA=str(authority.file),
        TLS__TRUSTED_CA=str(authority.file),
    )
    listen = board.environment["SOFTSWITCH_SIP__LISTEN"]
    board.web, board.tls = board.second_port, board.trunk_port
    board.environment["SOFTSWITCH_SIP__LISTEN"] = (
        f"{listen},ws:127.0.0.1:{board.web},tls:127.0.0.1:{board.tls}"
    )
    board.start()
    return board


def client(authority, pair=None):
    context = ssl.create_default_context(cafile=str(authority.file))
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def run(test):
    asyncio.run(asyncio.wait_for(test, 60))


def test_web_phones_register_call_and_are_forgotten_when_they_close(secure):
    async def test():
        uri = f"ws://127.0.0.1:{secure.web}"
        ana, beka = [await WebPhone.open(login, uri) for login in ("ana", "beka")]
        for phone in (ana, beka):
            await phone.register()
        for login in ("ana", "beka"):  # phones that speak SIP by WebSocket, and sound in the clear
            await asyncio.to_thread(secure.ask, "line_set", number=LINES[login][0], key="webrtc",
                                    value="off")  # fmt: skip
        assert {row["transport"] for row in secure.ask("registration_list")} == {"ws"}
        target = f"sip:{BEKA}@127.0.0.1"
        await ana.prove("INVITE", target, body=SDP, call_id="web")
        invite = await beka.hear("INVITE")
        assert invite.raw_uri == b"sip:beka@beka.invalid;transport=ws"
        await beka.respond(invite, 180)
        await ana.hear(180)
        await beka.respond(invite, 200, body=SDP)
        answered = await ana.hear(200)
        to, contact = answered.get(b"to").decode(), bytes(answered.contacts[0].uri).decode()
        assert contact == f"sip:127.0.0.1:{secure.web};transport=ws"
        await ana.request("ACK", contact, to=to, call_id="web", cseq=answered.cseq.number)
        await beka.hear("ACK")
        await ana.request("BYE", contact, to=to, call_id="web")
        await beka.respond(await beka.hear("BYE"), 200)
        await ana.hear(200)
        await beka.close()
        gone = lambda: len(secure.ask("registration_list")) == 1  # noqa: E731
        await asyncio.to_thread(until, gone, "the closed phone is forgotten")
        await ana.prove("INVITE", target, body=SDP, call_id="later")
        assert (await ana.hear(480)).cseq.method == "INVITE"
        await ana.close()

    run(test())
    first, second = secure.cdrs()
    assert (first["sip_status"], first["ended_by"], first["codec"]) == (200, "caller", "PCMU")
    assert (second["sip_status"], second["cause"]) == (480, 20)


def test_a_phone_that_comes_by_another_connection_loses_the_first(secure, authority):
    async def test():
        fields = ("Supported: outbound, path",)
        phones = []
        for _ in range(2):
            phone = await StreamPhone.open("ana", secure.tls, client(authority))
            phone.contact = (
                '<sip:ana@ana.invalid;transport=tls>;+sip.instance="<urn:uuid:1>";reg-id=1'
            )
            ok = await phone.register(*fields)
            assert (ok.get(b"require"), ok.get(b"flow-timer")) == (b"outbound", b"90")
            phones.append(phone)
        assert await phones[0].reader.read() == b""
        assert len(secure.ask("registration_list")) == 1
        phones[1].writer.write(b"\r\n\r\n")
        assert await phones[1].reader.readexactly(2) == b"\r\n"
        await phones[1].close()

    run(test())


def test_a_trunk_proves_itself_by_its_certificate(secure, authority):
    secure.ask("trunk_add", name="carrier", target="sip:127.0.0.1:9",
               inbound_certificates=["gw.carrier.example"])  # fmt: skip
    trunk = authority.issue("gw.carrier.example")
    other = authority.issue("gw.other.example")

    async def test():
        for pair, status in ((trunk, 480), (other, 401), (None, 401)):
            gateway = await StreamPhone.open("442071234567", secure.tls, client(authority, pair))
            await gateway.request("INVITE", f"sip:{ANA}@127.0.0.1", body=SDP)
            await gateway.hear(status)
            await gateway.close()

    run(test())
    record = secure.cdr()
    assert (record["direction"], record["trunk"]) == ("incoming", "carrier")


@pytest.mark.parametrize(
    ("name", "status"), [("localhost", 486), ("other.example", 503)], ids=["itself", "another"]
)
def test_a_trunk_over_tls_is_called_only_if_it_is_who_we_mean(secure, authority, name, status):
    pair = authority.issue(name, file="trunk")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    heard = []

    async def serve(reader, writer):
        """Busy, whoever is called."""
        with_body = await reader.readuntil(b"\r\n\r\n")
        heard.append(with_body)
        request = parse_message(with_body + b" " * int(_length(with_body)))
        writer.write(bytes(request.respond(486, to_tag="x")))
        await writer.drain()

    async def test():
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        await asyncio.to_thread(secure.ask, "trunk_add", name="carrier", prefixes=["44"],
                                target=f"sip:localhost:{port};transport=tls")  # fmt: skip
        ana = await StreamPhone.open("ana", secure.port)
        await ana.prove("INVITE", "sip:00442071234567@127.0.0.1", body=SDP)
        await ana.hear(status)
        await ana.close()
        server.close()

    run(test())
    assert secure.cdr()["sip_status"] == status
    if status == 486:
        assert b"Via: SIP/2.0/TLS 127.0.0.1:" in heard[0]
        assert b";transport=tls>" in heard[0]
    else:
        assert heard == []


def _length(head):
    return dict(
        line.split(b": ", 1) for line in head.split(b"\r\n") if b": " in line
    )[b"Content-Length"]  # fmt: skip


def test_new_certificates_at_a_hang_up_signal_and_by_themselves(secure, authority):
    async def shown():
        phone = await StreamPhone.open("ana", secure.tls, client(authority))
        der = phone.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        await phone.close()
        return identities(der)

    assert asyncio.run(shown()) == {"localhost", "127.0.0.1"}
    authority.issue("127.0.0.1", "renewed.example", file="switch")
    secure.process.send_signal(signal.SIGHUP)
    until(lambda: "renewed.example" in asyncio.run(shown()), "the new certificate is shown")
    authority.issue("127.0.0.1", "again.example", file="switch")
    until(lambda: "again.example" in asyncio.run(shown()), "a changed file is noticed", 15)


def test_check_names_certificates_and_what_was_turned_away(secure, authority):
    rows = {row["check"]: row for row in secure.cli("check", fails=False)}
    found = rows["certificate switch.crt"]
    assert found["ok"] is True and found["detail"].startswith("127.0.0.1, localhost; expires 20")
    assert rows["guard"]["ok"] is True and "0 bans" in rows["guard"]["detail"]
    authority.issue("127.0.0.1", file="switch", ends_in=5 * DAY)
    assert "renew it" in secure.text("-o", "json", "check", status=1)


def test_a_broken_certificate_keeps_the_switch_from_starting_and_is_named(make_board, authority):
    pair = authority.issue("127.0.0.1", file="switch")
    pair.key.write_text("nonsense")
    board = make_board(TLS__CERTIFICATES=f"{pair.certificate}:{pair.key}")
    board.environment["SOFTSWITCH_SIP__LISTEN"] += f",tls:127.0.0.1:{board.second_port}"
    assert "switch.key can't be used" in board.does_not_start()
