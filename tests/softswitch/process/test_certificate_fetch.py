"""Fetching signers' certificates: from public hosts by https alone, with limits."""

import asyncio
import http.server
import ssl
import threading

import pytest
from certificates import Authority

from softswitch.process import certificate_fetch
from softswitch.process.certificate_fetch import MAX_OCTETS, CertificateFetch


class Host(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"certificate" if self.path == "/stir.pem?v=1" else b"x" * (MAX_OCTETS + 1)
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "/stir.pem?v=1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def host(tmp_path):
    """A server and what fetches from it, though it isn't public."""
    authority = Authority(tmp_path)
    pair = authority.issue("localhost", "127.0.0.1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    trusting = ssl.create_default_context(cafile=str(authority.file))
    yield f"https://localhost:{server.server_port}", CertificateFetch(trusting, only_public=False)
    server.shutdown()
    server.server_close()


def fetched(fetch, url: str) -> bytes:
    return asyncio.run(fetch(url))


def test_a_certificate_is_fetched(host):
    where, fetch = host
    assert fetched(fetch, f"{where}/stir.pem?v=1") == b"certificate"


@pytest.mark.parametrize(
    ("path", "why"),
    [("/moved", "its host answers 302"), ("/long", f"it is longer than {MAX_OCTETS} octets")],
)
def test_redirections_and_endless_files_are_refused(host, path, why):
    where, fetch = host
    with pytest.raises(ValueError, match=why):
        fetched(fetch, where + path)


def test_a_host_that_proves_nothing_is_refused(host):
    where, _ = host
    with pytest.raises(ssl.SSLCertVerificationError):
        fetched(CertificateFetch(only_public=False), where + "/stir.pem")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1",
                                     "::1", "fe80::1", "::ffff:127.0.0.1", "0.0.0.0"])  # fmt: skip
def test_hosts_that_are_not_public_are_never_connected_to(monkeypatch, address):
    def resolve(host, port, **_):
        return [(2, 1, 6, "", ("93.184.216.34", port)), (2, 1, 6, "", (address, port))]

    monkeypatch.setattr(certificate_fetch.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(certificate_fetch.socket, "create_connection", None)
    with pytest.raises(ValueError, match="isn't a public one"):
        fetched(CertificateFetch(), "https://evil.example/stir.pem")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x", "file:///etc/passwd", "https://", "https://user@example.org/",
        "nonsense", "https://[::1",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(url):
    with pytest.raises(ValueError):
        fetched(CertificateFetch(), url)
