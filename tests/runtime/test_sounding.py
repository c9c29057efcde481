"""One way to wake somebody, used once: what it is told, what comes back, and that it ends."""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from node.custody import files
from node.policy.alarm import Route
from node.runtime import sounding
from node.runtime.sounding import ANSWER_BYTES_MAX, SIGNATURE, Sounded
from tests.federation import free_ports

TEXT = b'{"text": "c-4k7q: Shooting"}\n'


class Receiver(ThreadingHTTPServer):
    """A webhook of somebody's."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.code, self.answer = 200, b"rung"
        self.location = ""
        self.silent = threading.Event()  # set: answer; not set: wait for it
        self.silent.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Answering(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.server.silent.wait(60)
        self.send_response(self.server.code)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()
        self.wfile.write(self.server.answer)

    do_GET = do_POST  # noqa: N815 - its name there

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(name="receiver")
def _receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield receiver
        receiver.silent.set()
        receiver.shutdown()
        thread.join()


async def sound(route: Route) -> Sounded:
    return await sounding.sound(route, TEXT, files.read_secret)


def script(folder: Path, text: str) -> str:
    path = folder / "wake"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


# ---- Webhooks


async def test_a_webhook_is_told_and_what_it_answers_comes_back(receiver: Receiver) -> None:
    assert await sound(Route("1", webhook=receiver.url)) == Sounded(through=True, answer="200 rung")
    ((path, headers, body),) = receiver.got
    assert (path, body, headers["Content-Type"]) == ("/hook", TEXT, "application/json")
    assert json.loads(body)["text"]
    assert SIGNATURE not in headers


async def test_a_webhook_is_told_under_the_secret_that_it_shares(receiver: Receiver, tmp_path: Path) -> None:
    secret = tmp_path / "desk.secret"
    files.create_secret(secret, b"shared\n")
    assert (await sound(Route("1", webhook=receiver.url, secret=secret))).through
    expected = hmac.new(b"shared", TEXT, hashlib.sha256).hexdigest()
    assert receiver.got[0][1][SIGNATURE] == f"sha256={expected}"
    secret.chmod(0o644)
    found = await sound(Route("1", webhook=receiver.url, secret=secret))
    assert not found.through
    assert "others may have read" in found.answer
    assert len(receiver.got) == 1, "nothing is said without it"


@pytest.mark.parametrize("code", [199 + 101, 302, 307, 404, 500])
async def test_what_is_not_taken_did_not_come_through_and_nobody_else_is_told(receiver: Receiver, code: int) -> None:
    receiver.code, receiver.location = code, receiver.url + "/elsewhere"
    found = await sound(Route("1", webhook=receiver.url))
    assert found == Sounded(through=False, answer=f"{code} rung")
    assert [path for path, _, _ in receiver.got] == ["/hook"]


async def test_a_webhook_that_says_nothing_is_not_waited_for(receiver: Receiver) -> None:
    receiver.silent.clear()
    found = await sound(Route("1", webhook=receiver.url, timeout_ms=300))
    assert found == Sounded(through=False, answer="no answer within 0.3 s")


async def test_nobody_there_is_said_in_words() -> None:
    (port,) = free_ports(1)
    found = await sound(Route("1", webhook=f"http://127.0.0.1:{port}/"))
    assert found == Sounded(through=False, answer="127.0.0.1: Connection refused")


async def test_of_a_long_answer_the_beginning_is_kept_and_no_telephone_number(receiver: Receiver) -> None:
    receiver.answer = b"called +49 345 22400 " + b"x" * 100_000
    found = await sound(Route("1", webhook=receiver.url))
    assert found.through
    assert len(found.answer) <= ANSWER_BYTES_MAX + 30
    assert "22400" not in found.answer


async def test_a_name_that_is_none_ends_nothing() -> None:
    found = await sound(Route("1", webhook=f"https://{'a' * 64}.example/"))
    assert not found.through
    assert "a.example: " in found.answer


async def test_a_webhook_that_does_not_prove_whose_it_is_is_told_nothing(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True, do_handshake_on_connect=False)
    route = Route("1", webhook=receiver.url.replace("http:", "https:"))
    found = await sound(route)
    assert not found.through
    assert "certificate verify failed" in found.answer
    assert not receiver.got
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert (await sound(route)).through


def certificate(folder: Path) -> Path:
    """A key and a certificate for this machine that nobody knows."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)  # noqa: TID251 - TLS has the real clock
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "desk")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    path = folder / "desk.pem"
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


# ---- Programs


async def test_a_program_is_told_on_its_input_and_what_it_writes_comes_back(tmp_path: Path) -> None:
    command = script(tmp_path, f'cat > {tmp_path}/told; echo "$1"; echo rung >&2')
    assert await sound(Route("1", (command, "a b"))) == Sounded(through=True, answer="a b rung")
    assert (tmp_path / "told").read_bytes() == TEXT


@pytest.mark.parametrize(
    ("text", "answer"), [("exit 3", "exit code 3: it wrote nothing"), ("echo busy; exit 1", "exit code 1: busy")]
)
async def test_one_that_fails_says_with_what(tmp_path: Path, text: str, answer: str) -> None:
    assert await sound(Route("1", (script(tmp_path, text),))) == Sounded(through=False, answer=answer)


async def test_one_that_goes_on_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    command = script(tmp_path, f"sh -c 'exec 3> {held}; sleep 60' & wait")
    reading = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    try:
        async with asyncio.timeout(10):  # a guard: it would wait for whoever holds what it writes to
            found = await sound(Route("1", (command,), timeout_ms=1000))
        os.set_blocking(reading, True)
        assert os.read(reading, 1) == b"", "nobody holds it any more"
    finally:
        os.close(reading)
    assert found == Sounded(through=False, answer="no answer within 1 s")


async def test_what_left_its_session_keeps_nobody_waiting(tmp_path: Path) -> None:
    number = tmp_path / "number"
    command = script(tmp_path, f"setsid sh -c 'echo $$ > {number}; exec sleep 60' & sleep 60")
    try:
        async with asyncio.timeout(10):  # a guard: it would wait for whoever holds what it writes to
            found = await sound(Route("1", (command,), timeout_ms=1000))
    finally:
        os.kill(int(number.read_text()), signal.SIGKILL)
    assert found == Sounded(through=False, answer="no answer within 1 s")


async def test_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert await sound(Route("1", (missing,))) == Sounded(through=False, answer=f"{missing}: No such file or directory")


async def test_of_much_that_is_written_the_beginning_is_kept(tmp_path: Path) -> None:
    found = await sound(Route("1", (script(tmp_path, "head -c 1000000 /dev/zero | tr '\\0' x"),)))
    assert found == Sounded(through=True, answer="x" * ANSWER_BYTES_MAX)
