"""The log's level at run time."""

import json
import subprocess
import sys

import pytest
import structlog

from node.rpc.levels import Threshold

SCRIPT = """
import structlog
from node import logs
from node.rpc.levels import THRESHOLD
log = structlog.get_logger()
logs.configure("json", "info")
log.debug("before")
log.info("kept")
THRESHOLD.level = "debug"
log.debug("after")
THRESHOLD.level = "error"
log.warning("dropped")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("fault")
"""


def test_a_level_set_later_counts_for_loggers_that_were_used_before() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["kept", "after", "fault"]


@pytest.mark.parametrize(
    ("level", "passing"),
    [
        ("debug", {"debug", "info", "warning", "error", "exception", "critical"}),
        ("info", {"info", "warning", "error", "exception", "critical"}),
        ("warning", {"warning", "error", "exception", "critical"}),
        ("error", {"error", "exception", "critical"}),
    ],
)
def test_what_is_below_the_level_is_dropped(level: str, passing: set[str]) -> None:
    threshold = Threshold()
    threshold.level = level
    passed = set()
    for method in ("debug", "info", "warning", "error", "exception", "critical"):
        try:
            threshold(None, method, {})
        except structlog.DropEvent:
            continue
        passed.add(method)
    assert passed == passing
