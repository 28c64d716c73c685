"""Push messages to a gateway by https, to public addresses unless the operator allows others."""

import asyncio
import http.server
import ipaddress
import ssl
import threading

import pytest
from certificates import Authority

from softswitch.process.push_post import PushPost

HERE = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture
def gateway(tmp_path, monkeypatch):
    """A server that refuses odd messages; its URL, and what it was sent."""
    said = []

    class Gateway(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            said.append((self.headers["Content-Type"], self.rfile.read(2)))
            self.send_response(204 if said[-1][1] == b"{}" else 400)
            self.end_headers()

        def log_message(self, *_):
            pass

    authority = Authority(tmp_path)
    pair = authority.issue("127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}/send", said
    server.shutdown()
    server.server_close()


def test_a_message_is_sent_as_json_and_its_status_returned(gateway):
    url, said = gateway
    push = PushPost(HERE)
    assert asyncio.run(push(url, b"{}")) == 204
    assert asyncio.run(push(url, b"[]")) == 400
    assert said == [("application/json", b"{}"), ("application/json", b"[]")]
    push.close()


def test_a_gateway_of_another_network_is_not_asked(gateway):
    url, said = gateway
    push = PushPost()
    with pytest.raises(OSError, match="isn't public"):
        asyncio.run(push(url, b"{}"))
    assert said == []
    push.close()
