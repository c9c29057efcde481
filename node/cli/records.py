"""Records for people and programs: what they have is told one by one, not end to end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from node.cli import printing

if TYPE_CHECKING:
    from node.content.hashes import Value
    from node.v1 import record_pb2


def fields(record: "record_pb2.Record") -> dict[str, Any]:
    """A record for JSON."""
    found = printing.fields_of(record)
    if record.HasField("items"):
        found["items"]["digests"] = [one.hex() for one in values(record.items) if isinstance(one, bytes)]
    return found


def values(letter: "record_pb2.Items") -> "Sequence[Value]":
    """The items of a record; none where it is of a kind that is not known, or not as the format demands."""
    from node.content import hashes, items

    kind = hashes.KINDS.get(letter.kind)
    try:
        return items.values(kind, letter) if kind else []
    except ValueError:
        return []
