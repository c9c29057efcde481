"""Somebody is woken: real daemons, a webhook that the test answers, and a program."""

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from node import config
from tests.federation import GUARD_S, Node, make


class Desk(ThreadingHTTPServer):
    """Where somebody sits."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.told: queue.Queue[dict[str, Any]] = queue.Queue()

    def next(self) -> dict[str, Any]:
        return self.told.get(timeout=GUARD_S)


class Answering(BaseHTTPRequestHandler):
    server: Desk

    def do_POST(self) -> None:
        self.server.told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(name="desk")
def _desk() -> Iterator[Desk]:
    with Desk() as desk:
        thread = threading.Thread(target=desk.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield desk
        desk.shutdown()
        thread.join()


def test_a_crisis_wakes_somebody_once_until_it_is_acknowledged_over_restarts(tmp_path: Path, desk: Desk) -> None:
    first, second = make(tmp_path, 2)
    file = second.folder / config.FILE_NAME
    routes = f"""
routes = [
  {{ name = "desk", webhook = "http://127.0.0.1:{desk.server_port}/" }},
  {{ name = "officer", command = ["tee", "{tmp_path}/officer"], after = "2s" }},
]
"""
    file.write_text(file.read_text().replace("\nroutes = []\n", routes))
    try:
        for node in (first, second):
            node.start()
        for node in (first, second):
            node.cli("peer", "add", "--founders", "--yes", "--no-wait")
        first.until(lambda status: status["charter_in_force"], "status")
        declared = declare(first, "The first")
        assert desk.next()["reference"] == declared
        second.until(lambda found: found["routes"][1]["through"], "alarm", "list")
        assert json.loads((tmp_path / "officer").read_text())["title"] == "The first"
        second.stop()
        second.start()
        again = declare(first, "The second")
        assert desk.next()["title"] == "The second", "the first was not said again"
        second.cli("crisis", "acknowledge", again)
        found = first.until(lambda said: said["seen"] == 1, "crisis", "receipts", again)
        assert (found["expected"], found["delivered"], found["members"][0]["route"] >= 1) == (1, 1, True)
    finally:
        for node in (first, second):
            if node.runs:
                node.kill()


def declare(node: Node, title: str) -> str:
    command = ("crisis", "declare", "--framework", "eu-ocrf", "--title", title, "--place", "DE", "--for", "2h", "--yes")
    found: str = node.json(*command)["reference"]
    return found
