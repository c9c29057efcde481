"""HTTP for Prometheus, on a thread of its own."""

import asyncio
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app

from node.errors import ConfigError
from node.metrics.families import NodeCollector
from node.metrics.look import Look, Looking

LOOK_S = 10.0  # how long the event loop and the stores may take to be looked at; Prometheus waits as long
REQUEST_S = 5.0  # how long a caller may take to send its request: there is one at a time

_log = structlog.get_logger()


class Exposition:
    """The HTTP server, on a thread of its own."""

    def __init__(self, server: WSGIServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stop, once the answer under way is through; not to be called on the event loop, which that may need."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def expose(address: str, looking: Looking, data_folder: Path) -> Exposition:
    """Answer Prometheus here, looking on the running event loop; raises ConfigError where the address is taken."""
    loop = asyncio.get_running_loop()

    def look_there() -> Look:
        return asyncio.run_coroutine_threadsafe(looking.look(), loop).result(LOOK_S)

    registry = CollectorRegistry()
    registry.register(NodeCollector(look_there, data_folder))
    ProcessCollector(registry=registry)
    host, _, port = address.rpartition(":")
    try:
        server = (_Server6 if ":" in host else _Server)((host.strip("[]"), int(port)), _Request)
    except OSError as error:
        raise ConfigError(
            f"metrics.listen: {address} cannot be listened on: {error.strerror}",
            next_step="Stop what uses the port (`ss -ltnp` names it) or change metrics.listen in node.toml.",
            field="metrics.listen",
        ) from error
    server.set_app(_guarded(make_wsgi_app(registry)))
    return Exposition(server)


def _guarded(app: Callable[..., Any]) -> Callable[..., Any]:
    """What goes wrong goes to the node's log; the caller hears that there is no answer now."""

    def guarded(environ: Any, start_response: Any) -> Any:
        try:
            return app(environ, start_response)
        except Exception as error:  # noqa: BLE001 - whatever it is, the node goes on
            _log.exception("metrics not answered", reason=str(error) or type(error).__name__)
            start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"The node cannot be looked at now; its log says why.\n"]

    return guarded


class _Server(WSGIServer):
    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the library's words
        """A caller that goes away in the middle, most of all; the library would write it past the log."""
        _log.debug("metrics call broke off", exc_info=True)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Request(WSGIRequestHandler):
    timeout = REQUEST_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's word
        """Scrapes are no news."""

    def address_string(self) -> str:
        return str(self.client_address[0])
