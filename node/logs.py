"""Logs of the daemon: to stderr, for people or as JSON. Nothing that is secret is ever given to them."""

import logging
import sys
from typing import Any

import structlog

from node.config import LogFormat, LogLevel
from node.rpc.levels import THRESHOLD


def configure(format_: LogFormat, level: LogLevel) -> None:
    """Write from this level on, a line each; the administrator may set another until the next start."""
    THRESHOLD.level = level
    for_people = format_ == "console"
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if for_people else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            THRESHOLD,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks if not for_people else structlog.processors.StackInfoRenderer(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
