"""The audit log's segments: from the node that runs, or out of the folder of one that does not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from node.cli import calling, clock
from node.errors import Unavailable

if TYPE_CHECKING:
    from node.cli.calling import Place, Work
    from node.client import Client
    from node.exchange.audit import Witness
    from node.v1.header_pb2 import SignedEntry

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to verify; ``keep_days`` by the node's own word, 0 where there is none."""

    segments: list[bytes]
    witnesses: "list[Witness]"
    keep_days: int = 0


def read(place: "Place", use: str, *, since_ms: int = 0, lines: int = 0) -> list[bytes]:
    """All of them, or those that have lines since then, or the last so many; the node notes for what ``use``."""
    return _ask(
        place, lambda node: node.audit_log(use, since_ms=since_ms, lines=lines), lambda: _read_folder(place, use)
    )


def witnessed(place: "Place", letters: "Sequence[SignedEntry] | None") -> Shown:
    """The log, and what these anchors say of it, or those that the node holds."""

    async def ask(node: "Client") -> Shown:
        held = await node.anchors()
        seen = await node.witnesses(held.anchors if letters is None else letters, held.own_feeds)
        return Shown(await node.audit_log("verify"), seen, held.keep_days)

    def without() -> Shown:
        from node.custody import auditing

        return Shown(_read_folder(place, "verify"), auditing.witnessed(place.config, letters))

    return _ask(place, ask, without)


def with_anchors(place: "Place", use: str, since_ms: int) -> "tuple[Sequence[SignedEntry], list[bytes]]":
    """The ANCHORs that the node holds of its own, and the log."""

    async def ask(node: "Client") -> "tuple[Sequence[SignedEntry], list[bytes]]":
        return (await node.anchors()).anchors, await node.audit_log(use, since_ms=since_ms)

    def without() -> "tuple[Sequence[SignedEntry], list[bytes]]":
        from node.custody import auditing

        return auditing.held(place.config), _read_folder(place, use)

    return _ask(place, ask, without)


def _read_folder(place: "Place", use: str) -> list[bytes]:
    from node.custody import auditing

    return auditing.read(place.config, place.federation_id, use, clock.now_ms())


def _ask(place: "Place", ask: "Work[Found]", without: Callable[[], Found]) -> Found:
    try:
        return calling.ask(place, ask)
    except Unavailable:
        if place.remote:
            raise
    return without()
