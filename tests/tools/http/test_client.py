from __future__ import annotations

import gzip
import socket
import ssl
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest

from tests.standins.blackhole import blackhole
from tests.tools.http.conftest import Site, egress_to, plain
from tools import http
from tools.errors import ToolFailed
from tools.http import Egress, client

URL = "http://public.test/page?x=1"


def get(site: Site, **more: object) -> http.Response:
    return http.request("GET", URL, egress=egress_to(site), **more)  # type: ignore[arg-type]


def test_a_request_is_sent_and_answered(site: Site) -> None:
    site.answer = plain(b"hello", Content_Type="text/plain", X_One="1")

    response = http.request(
        "POST", "http://public.test:8080/a/b?q=%2F", headers={"X-Key": "k"}, body=b"{}", egress=egress_to(site)
    )

    assert (response.status, response.body, response.is_cut) == (200, b"hello", False)
    assert response.headers["content-type"] == "text/plain"
    assert response.url == "http://public.test:8080/a/b?q=%2F"
    sent = site.requests[0].decode()
    assert sent.startswith("POST /a/b?q=%2F HTTP/1.1\r\nHost: public.test:8080\r\n")
    assert "X-Key: k\r\n" in sent
    assert "Content-Length: 2\r\n" in sent
    assert sent.count("Host:") == 1


def test_proxy_settings_of_the_environment_are_not_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    assert get(site).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"},
        {"content-length": "5"},
        {"Transfer-Encoding": "chunked"},
        {"X": "a\r\nY: b"},
        {"X\r\nY": "a"},
        {"É": "a"},
    ],
)
def test_headers_that_would_change_the_request_are_refused(site: Site, headers: dict[str, str]) -> None:
    with pytest.raises(ToolFailed, match="cannot be set"):
        get(site, headers=headers)

    assert site.requests == []


@pytest.mark.promise("G23")
def test_a_large_body_is_cut(site: Site) -> None:
    def flood(peer: socket.socket, _: bytes) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(15_000):
            peer.sendall(b"x" * 65536)

    site.answer = flood
    started = time.monotonic()

    response = get(site)

    assert (len(response.body), response.is_cut) == (2 * 1024 * 1024, True)
    assert time.monotonic() - started < 60


@pytest.mark.promise("G23")
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_unpacked_no_further_than_the_limit(site: Site, encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    bomb = pack(bytes(60_000_000))
    assert len(bomb) < 100_000
    site.answer = plain(bomb, Content_Encoding=encoding)
    tracemalloc.start()

    response = get(site)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (response.body, response.is_cut) == (bytes(2 * 1024 * 1024), True)
    assert peak < 20_000_000


def test_packed_text_is_unpacked(site: Site) -> None:
    site.answer = plain(gzip.compress(b"text" * 1000), Content_Encoding="gzip")

    assert get(site).body == b"text" * 1000


def drip_body(peer: socket.socket, _: bytes) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        peer.sendall(b"x")
        time.sleep(0.05)


def drip_headers(peer: socket.socket, _: bytes) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        peer.sendall(b"x")
        time.sleep(0.05)


def say_nothing(peer: socket.socket, _: bytes) -> None:
    time.sleep(10)


@pytest.mark.parametrize("answer", [drip_body, drip_headers, say_nothing])
def test_a_slow_answer_is_cut_at_the_deadline(site: Site, answer: object) -> None:
    site.answer = answer  # type: ignore[assignment]
    started = time.monotonic()

    with pytest.raises(ToolFailed, match=r"^public\.test did not answer in time\.$"):
        get(site, timeout_s=1)

    assert 0.9 < time.monotonic() - started < 9


def endless_headers(peer: socket.socket, _: bytes) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        peer.sendall(b"X-Header: " + b"x" * 1000 + b"\r\n")


def garbage(peer: socket.socket, _: bytes) -> None:
    peer.sendall(b"\x00\x01SSH-2.0-OpenSSH\r\n\r\n")


def break_off(peer: socket.socket, _: bytes) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")


def bad_gzip(peer: socket.socket, request: bytes) -> None:
    plain(b"not gzip", Content_Encoding="gzip")(peer, request)


def strange_encoding(peer: socket.socket, request: bytes) -> None:
    plain(b"x", Content_Encoding="br")(peer, request)


def hang_up(peer: socket.socket, _: bytes) -> None:
    return


@pytest.mark.parametrize("answer", [endless_headers, garbage, break_off, bad_gzip, strange_encoding, hang_up])
def test_an_answer_that_is_none_is_said(site: Site, answer: object) -> None:
    site.answer = answer  # type: ignore[assignment]

    with pytest.raises(ToolFailed, match=r"^public\.test could not be reached or gave no proper answer\.$"):
        get(site, timeout_s=5)


def test_an_address_whose_packets_are_dropped_is_given_up_in_time() -> None:
    with blackhole() as port:
        dial = lambda _, __, timeout_s: socket.create_connection(("127.0.0.1", port), timeout=timeout_s)  # noqa: E731
        with pytest.raises(ToolFailed, match=r"^public\.test did not answer in time\.$"):
            http.request("POST", URL, egress=Egress(resolve=lambda *_: ["93.184.216.34"], dial=dial), timeout_s=0.5)


def test_the_next_checked_address_is_tried_when_one_does_not_answer(site: Site) -> None:
    dialled = []

    def dial(address: str, port: int, timeout_s: float) -> socket.socket:
        dialled.append(address)
        if address == "2606:4700::1":
            raise OSError("no route")
        return socket.create_connection(("127.0.0.1", site.port), timeout=timeout_s)

    egress = Egress(resolve=lambda *_: ["2606:4700::1", "93.184.216.34"], dial=dial)

    assert http.request("GET", URL, egress=egress).status == 200
    assert dialled == ["2606:4700::1", "93.184.216.34"]


def test_an_ipv6_host_is_named_in_brackets(site: Site) -> None:
    http.request("GET", "http://[2606:4700:4700::1111]:8080/", egress=egress_to(site))

    assert b"\r\nHost: [2606:4700:4700::1111]:8080\r\n" in site.requests[0]


# ---- TLS: connected to the checked address, verified for the name


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Create a self-signed certificate for secure.test. Return the paths of certificate and key."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "secure.test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("secure.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return tmp_path / "cert.pem", tmp_path / "key.pem"


def test_tls_checks_the_name_on_the_pinned_connection(
    site: Site, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate)
    names: list[str | None] = []
    server.sni_callback = lambda connection, name, context: names.append(name)  # type: ignore[assignment]

    def talk(peer: socket.socket) -> None:
        try:
            with server.wrap_socket(peer, server_side=True) as secure:
                secure.recv(65536)
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
        except OSError:
            return

    monkeypatch.setattr(site, "_talk", talk)
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    monkeypatch.setattr(client, "tls", lambda: trusting)

    assert http.request("GET", "https://secure.test/", egress=egress_to(site)).body == b"secret"
    assert names == ["secure.test"]
    with pytest.raises(ToolFailed, match="could not be reached"):
        http.request("GET", "https://other.test/", egress=egress_to(site))
    assert names == ["secure.test", "other.test"]


def test_a_certificate_that_nobody_signed_is_refused(
    site: Site, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate)

    def talk(peer: socket.socket) -> None:
        try:
            server.wrap_socket(peer, server_side=True).close()
        except OSError:
            return

    monkeypatch.setattr(site, "_talk", talk)

    with pytest.raises(ToolFailed, match="could not be reached"):
        http.request("GET", "https://secure.test/", egress=egress_to(site))
