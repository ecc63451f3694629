"""Services that are called over TLS: by a certificate that the machine trusts, for the name they are called by."""

import asyncio
import datetime as dt
import json
import ssl
from pathlib import Path

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.testing import RawUpstream, Street, get


def certificate(folder: Path) -> Path:
    """Write a certificate for localhost that vouches for itself, and its key; return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test's")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file = folder / "certificate.pem"
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, private, serialization.NoEncryption()))
    return file


async def served(street: Street, file: Path, answer: bytes) -> tuple[RawUpstream, int]:
    """Serve an upstream by this certificate; return it and its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    upstream = RawUpstream(answer)
    listening = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, ssl=context)
    street.later(listening.close)
    return upstream, listening.sockets[0].getsockname()[1]


async def test_a_service_is_called_over_tls(street: Street, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies pass both ways, whatever their size, and the connection is used again."""
    file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    large = b"a" * 300_000
    upstream, port = await served(street, file, b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + large)
    door = await street.door(orders=f"https://localhost:{port}")
    for _ in range(2):
        sent = get("/api/orders", f"Content-Length: {len(large)}\r\n", method="POST") + large
        response = await door.ask(sent)
        assert (response.status, response.body) == (200, large)
    assert [request.body for request in upstream.requests] == [large, large]
    assert upstream.connections == 1


@pytest.mark.parametrize(
    ("host", "trusted"), [("localhost", False), ("127.0.0.1", True)], ids=["stranger", "other name"]
)
async def test_a_service_that_cannot_prove_who_it_is_is_told_nothing(
    street: Street, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, *, trusted: bool
) -> None:
    """By a certificate that nobody here trusts, or that is for another name: 502, and no request has left."""
    file = certificate(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    upstream, port = await served(street, file, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    door = await street.door(orders=f"https://{host}:{port}")
    with structlog.testing.capture_logs() as logged:
        response = await door.get("/api/orders")
    [line] = logged
    assert (line["event"], line["upstream"]) == ("upstream_failed", "orders")
    assert "CERTIFICATE_VERIFY_FAILED" in line["fault"]
    assert (response.status, json.loads(response.body)["reason"]) == (502, "upstream_unreachable")
    assert not upstream.requests
