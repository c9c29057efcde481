"""Sounding: one way to wake somebody, used once: a program that is run, or a webhook that is called."""

import asyncio
import hashlib
import hmac
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO

from node.content import personal
from node.errors import NodeError
from node.policy.alarm import Route

KILLED_S = 1.0  # so long one that was killed is waited for
ANSWER_BYTES_MAX = 400  # of what comes back; the rest is read and let go
SIGNATURE = "Tocsin-Signature"  # sha256= and the HMAC of the body in hex

SecretOf = Callable[[Path], bytes]


@dataclass(frozen=True, slots=True)
class Sounded:
    """Whether it came through, and what came back."""

    through: bool
    answer: str


async def sound(route: Route, text: bytes, secret_of: SecretOf) -> Sounded:
    """Use a route once. Never raises for what goes wrong with it."""
    try:
        async with asyncio.timeout(route.timeout_ms / 1000):
            if route.command:
                return await _run(route, text)
            secret = secret_of(route.secret) if route.secret else b""
            return await asyncio.to_thread(_post, route, text, secret)
    except TimeoutError:
        return Sounded(through=False, answer=f"no answer within {route.timeout_ms / 1000:g} s")
    except NodeError as error:
        return Sounded(through=False, answer=error.reason)
    except OSError as error:
        return Sounded(through=False, answer=f"{route.target}: {error.strerror or error}")
    except ValueError as error:  # a name that is none
        return Sounded(through=False, answer=f"{route.target}: {error}")


# ---- A program


async def _run(route: Route, text: bytes) -> Sounded:
    """In a session of its own, so that whatever it started ends with it where it takes too long."""
    process = await asyncio.create_subprocess_exec(
        *route.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        answer, code = await asyncio.gather(_talk(process, text), process.wait())
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(TimeoutError):  # what left the session holds the pipe open, and is not waited for
                async with asyncio.timeout(KILLED_S):
                    await process.wait()
            process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - nothing else lets go of the pipe
    words = answer or ("" if code == 0 else "it wrote nothing")
    return Sounded(code == 0, words if code == 0 else f"exit code {code}: {words}")


async def _talk(process: asyncio.subprocess.Process, text: bytes) -> str:
    assert process.stdin  # noqa: S101 - both were asked for
    assert process.stdout  # noqa: S101
    process.stdin.write(text)
    with suppress(BrokenPipeError, ConnectionResetError):  # it reads nothing
        await process.stdin.drain()
    process.stdin.close()
    said = bytearray()
    while part := await process.stdout.read(4096):
        said += part[: ANSWER_BYTES_MAX - len(said)]
    return _words(bytes(said))


# ---- A webhook


class _Unmoved(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer, and none that comes through: nobody else is told."""

    def redirect_request(
        self,
        req: urllib.request.Request,  # noqa: ARG002 - urllib's signature
        fp: IO[bytes],  # noqa: ARG002
        code: int,  # noqa: ARG002
        msg: str,  # noqa: ARG002
        headers: HTTPMessage,  # noqa: ARG002
        newurl: str,  # noqa: ARG002
    ) -> None:
        return None


def _post(route: Route, text: bytes, secret: bytes) -> Sounded:
    headers = {"Content-Type": "application/json", "User-Agent": "tocsin"}
    if secret:
        headers[SIGNATURE] = f"sha256={hmac.new(secret.strip(), text, hashlib.sha256).hexdigest()}"
    request = urllib.request.Request(route.webhook, text, headers, method="POST")  # noqa: S310 - config.py checked it
    opener = urllib.request.build_opener(_Unmoved)
    try:
        with opener.open(request, timeout=route.timeout_ms / 1000) as response:
            return Sounded(200 <= response.status < 300, f"{response.status} {_words(response.read(ANSWER_BYTES_MAX))}")
    except urllib.error.HTTPError as error:
        with error:
            return Sounded(through=False, answer=f"{error.code} {_words(error.read(ANSWER_BYTES_MAX))}")
    except urllib.error.URLError as error:
        reason = error.reason
        words = (reason.strerror or str(reason)) if isinstance(reason, OSError) else str(reason)
        return Sounded(through=False, answer=f"{route.target}: {words}")
    except HTTPException as error:
        return Sounded(through=False, answer=f"{route.target}: no HTTP answer ({type(error).__name__})")


def _words(data: bytes) -> str:
    """On one line; whom it called is nobody's business who reads the node's log."""
    return personal.redact(" ".join(data.decode(errors="replace").split()))
