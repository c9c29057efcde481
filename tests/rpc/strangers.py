"""Servers that are no node, or no honest one: what may listen at a peer's address."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from node.rpc.tls import Leaf

Behaviour = Callable[[socket.socket], None]


@contextmanager
def listening(behave: Behaviour) -> Iterator[str]:
    """A server on a port of its own that does this with every connection; its address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # whoever called has seen enough
                behave(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def is_silent(connection: socket.socket) -> None:
    """Take whatever comes and say nothing."""
    while connection.recv(4096):
        pass


def greets(connection: socket.socket) -> None:
    """Speak another protocol."""
    connection.send(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    is_silent(connection)


def hangs_up(connection: socket.socket) -> None:
    """Do that, at once."""
    connection.shutdown(socket.SHUT_RDWR)


def speaks(context: ssl.SSLContext) -> Behaviour:
    """Shake hands and say something."""

    def behave(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.send(b"x")
            is_silent(wrapped)

    return behave


def server_context(folder: Path, leaf: Leaf) -> ssl.SSLContext:
    """What shows this certificate and asks for none."""
    file = folder / "leaf.pem"
    file.write_bytes(leaf.key_pem + leaf.certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.set_alpn_protocols(["h2"])
    return context
