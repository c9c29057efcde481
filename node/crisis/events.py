"""When something happened, in the zone of the place, and whether it goes on."""

from datetime import UTC, datetime

from node.crisis.words import STATUSES
from node.v1 import record_pb2

ONGOING, OVER = STATUSES


def zone(time: datetime) -> str:
    """The zone of a time, as +01:00; empty where it has none."""
    said = time.strftime("%z")
    return f"{said[:3]}:{said[3:5]}" if said else ""


def zoned(time_ms: int, zone: str) -> datetime:
    """A time in the zone that was said with it; in UTC where none was, or none that can be read."""
    time = datetime.fromtimestamp(time_ms / 1000, UTC)
    try:
        return time.astimezone(datetime.strptime(zone, "%z").tzinfo)
    except ValueError:
        return time


def status(event: record_pb2.Event) -> str:
    """Whether it goes on or is over, where either is said."""
    if event.ongoing:
        return ONGOING
    return OVER if event.over else ""
