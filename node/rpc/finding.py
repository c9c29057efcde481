"""Findings: what was looked at, how it is, and what to do about it."""

from typing import Literal

from node.v1 import admin_pb2
from node.v1.admin_pb2 import Finding

OK, WARNING, FAULT, UNKNOWN = "ok", "warning", "fault", "unknown"
HERE, THERE = "here", "there"

Side = Literal["here", "there"]


def ok(name: str, found: str) -> Finding:
    """As it should be."""
    return admin_pb2.Finding(name=name, verdict=OK, found=found)


def warning(name: str, found: str, next_step: str = "") -> Finding:
    """It works, and somebody should look at it."""
    return admin_pb2.Finding(name=name, verdict=WARNING, found=found, next_step=next_step)


def fault(name: str, found: str, next_step: str, side: Side = "here") -> Finding:
    """It does not work, or harm is near."""
    return admin_pb2.Finding(name=name, verdict=FAULT, found=found, next_step=next_step, side=side)


def unknown(name: str, found: str, next_step: str = "") -> Finding:
    """It could not be looked at."""
    return admin_pb2.Finding(name=name, verdict=UNKNOWN, found=found, next_step=next_step)


def span(seconds: float) -> str:
    """A length of time as people say it: 0.3 ms, 12 s, 3 h 20 min, 2 d 4 h."""
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
