"""What was seen, as Prometheus names it. configs/README.md has the table, and a test compares."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from node.exchange.signing import State
from node.metrics.look import Look, Peer
from node.rpc.meter import BOUNDS_S, LookUps
from node.store import migrations
from node.store.erasures import Reason

PEER = ("peer", "member")

Rows = Sequence[tuple[tuple[str, ...], float]]


class NodeCollector(Collector):
    """All that Prometheus is told of this node."""

    def __init__(self, look: Callable[[], Look], data_folder: Path) -> None:
        self._look, self._data_folder = look, data_folder

    def collect(self) -> Iterable[Metric]:
        """Look once, and say it."""
        look = self._look()
        yield _gauge("tocsin_build_info", "Always 1; the program is in the label.", [((look.program,), 1)], "program")
        yield _gauge(
            "tocsin_certificate_expiry_timestamp_seconds",
            "When the node's own TLS certificate ends; the node renews it long before.",
            [((), look.certificate_ends_s)],
        )
        yield from _peers(look.peers)
        yield _gauge(
            "tocsin_writer_queue_length", "Operations that wait for the one writer.", [((), look.queue_length)]
        )
        yield _gauge(
            "tocsin_signing_state",
            "1 for the state it is in: ready, or why nothing is signed.",
            [((state.value,), state is look.signing) for state in State],
            "state",
        )
        yield from _calls(look)
        yield from _look_ups(look.look_ups)
        yield _counter(
            "tocsin_verification_failures_total",
            "Entries, payloads and proofs from peers that do not hold, by the rule of the format they break.",
            [((rule,), count) for rule, count in sorted(look.faults.items())],
            "rule",
        )
        yield from _quotas(look)
        yield from _stores(look)
        yield from _erasures(look)
        yield from _files(self._data_folder)


def _peers(peers: Sequence[Peer]) -> Iterator[Metric]:
    def by_peer(name: str, text: str, of: Callable[[Peer], float]) -> Metric:
        return _gauge(name, text, [((one.name, one.member), of(one)) for one in peers], *PEER)

    yield by_peer("tocsin_peer_connected", "Whether an approved peer is connected.", lambda one: one.connected)
    yield by_peer(
        "tocsin_peer_in_step", "Whether it holds what is held here, asked a moment ago.", lambda one: one.in_step
    )
    yield by_peer("tocsin_peer_lag_entries", "Entries it said it has that are not here.", lambda one: one.lag)
    yield by_peer(
        "tocsin_peer_clock_ahead_seconds",
        "How far its clock was ahead of this machine's at its hello.",
        lambda one: one.clock_ahead_s,
    )
    for number, unit in enumerate(("frames", "bytes")):
        rows = [
            ((one.name, one.member, stream), waiting[number])
            for one in peers
            for stream, waiting in sorted(one.backlog.items())
        ]
        text = f"{unit.capitalize()} that wait to be sent to it."
        yield _gauge(f"tocsin_peer_outbox_{unit}", text, rows, *PEER, "stream")


def _calls(look: Look) -> Iterator[Metric]:
    rows = [
        ((*method.removeprefix("/").split("/"), code), count) for (method, code), count in sorted(look.calls.items())
    ]
    text = "Calls that ended, by how; UNAUTHENTICATED and PERMISSION_DENIED were turned away."
    yield _counter("tocsin_calls_total", text, rows, "service", "method", "code")


def _look_ups(look_ups: LookUps) -> Iterator[Metric]:
    text = "Values that were looked up."
    yield _counter("tocsin_lookup_values_total", text, [((), look_ups.values)])
    total, buckets = 0, []
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), look_ups.answered, strict=True):
        total += count
        buckets.append((bound, total))
    family = HistogramMetricFamily(
        "tocsin_lookup_duration_seconds", "How long look-ups took, be they of one value or many."
    )
    family.add_metric((), buckets, look_ups.seconds)
    yield family


def _quotas(look: Look) -> Iterator[Metric]:
    yield _counter(
        "tocsin_pushes_ignored_total",
        "Entries that peers pushed beyond their author's quota; they are fetched later, by turns.",
        [((member,), count) for member, count in sorted(look.ignored.items())],
        "member",
    )
    yield _counter(
        "tocsin_entries_demoted_total",
        "Urgent entries that went in lane 1, being over their author's quota, or not its to send in lane 0.",
        [((member,), count) for member, count in sorted(look.demoted.items())],
        "member",
    )
    yield _counter(
        "tocsin_peers_needed_sync_total",
        "Times that a peer read too slowly and was hung up on; it compares heads when it is back.",
        [((), look.needed_sync)],
    )


def _stores(look: Look) -> Iterator[Metric]:
    figures = look.figures
    age_s = max(look.now_s - figures.oldest_wanted_ms / 1000, 0) if figures.oldest_wanted_ms else 0
    yield _gauge("tocsin_want_list_payloads", "Payloads that are wanted and not here.", [((), figures.wanted)])
    yield _gauge(
        "tocsin_want_list_oldest_seconds",
        "How long the oldest of them has been wanted; 0 where none is.",
        [((), age_s)],
    )
    yield _gauge(
        "tocsin_projection_lag_entries",
        "Entries that arrived and are not in the index yet.",
        [(("urgent",), figures.unprojected[0]), (("other",), figures.unprojected[1])],
        "lane",
    )
    yield _gauge("tocsin_entries", "Headers in the ledger.", [((), figures.entries)])
    yield _gauge("tocsin_records", "Records in the index.", [((), figures.records)])
    yield _gauge("tocsin_items", "Items in the index.", [((), figures.items)])


def _erasures(look: Look) -> Iterator[Metric]:
    count, since_ms = look.figures.overdue
    yield _gauge(
        "tocsin_erasures_overdue_payloads", "Payloads that are to be erased by now and are still here.", [((), count)]
    )
    yield _gauge(
        "tocsin_erasures_overdue_seconds",
        "How long the first of them has been overdue; 0 where none is.",
        [((), max(look.now_s - since_ms / 1000, 0) if count else 0)],
    )
    yield _gauge(
        "tocsin_sweep_timestamp_seconds", "When all that was due was last gone; 0: not yet.", [((), look.swept_s)]
    )
    yield _counter(
        "tocsin_erasures_total",
        "What was erased since the start, payloads and parts of them, by why.",
        [((one.name.lower(),), look.erased.get(one.name.lower(), 0)) for one in Reason],
        "reason",
    )


def _files(folder: Path) -> Iterator[Metric]:
    sizes = [((name,), _size(migrations.path_of(folder, name))) for name in migrations.NAMES]
    yield _gauge("tocsin_store_bytes", "Size of a store on disk, with its log.", sizes, "store")
    free = shutil.disk_usage(folder).free
    yield _gauge("tocsin_disk_free_bytes", "Room on the disk of the data folder.", [((), free)])


def _size(path: Path) -> int:
    log = path.with_name(f"{path.name}-wal")
    return sum(one.stat().st_size for one in (path, log) if one.exists())


def _gauge(name: str, text: str, rows: Rows, *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(name, text, labels=labels), rows)


def _counter(name: str, text: str, rows: Rows, *labels: str) -> Metric:
    return _filled(CounterMetricFamily(name, text, labels=labels), rows)


def _filled(family: Any, rows: Rows) -> Metric:
    for labels, value in rows:
        family.add_metric(labels, value)
    found: Metric = family
    return found
