"""The audit log of a folder without a daemon: opened for it, read beside it, and written to where it does not run."""

import secrets
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from node.config import Config
from node.custody import folder, looking, renewal
from node.errors import ConfigError
from node.exchange import anchors, audit, witnesses
from node.exchange.audit import Act, Operation, Witness
from node.exchange.recording import AuditLog
from node.feed.pae import FederationId
from node.store import segments
from node.store.segments import FOLDER, FileSegments
from node.v1.header_pb2 import SignedEntry


def open_log(data: Path, federation_id: FederationId) -> AuditLog:
    """The log of a data folder; raises ConfigError where its end is not as it was written. For whoever holds it."""
    return AuditLog(FileSegments(data / FOLDER), federation_id, secrets.token_bytes)  # noqa: TID251 - custody


def note(data: Path, federation_id: FederationId, act: Act) -> None:
    """Note what was done without a daemon. For whoever holds the folder."""
    with closing(open_log(data, federation_id)) as log:
        log.append([act], act.at_ms)


def note_keys(config: Config, federation_id: FederationId, now_ms: int, act: str, *what: str) -> None:
    """Note what was done to a folder's keys, or decided about it. For whoever holds the folder.

    A log that was changed takes no line, and keeps nobody from ending a stolen key.
    """
    made = Act(now_ms, Operation.ADMINISTRATION, act, audit.ADMINISTRATOR, what)
    with suppress(ConfigError):
        note(config.data_folder, federation_id, made)


def note_alone(config: Config, federation_id: FederationId, now_ms: int, act: str, what: Sequence[str]) -> None:
    """Note one of FOLDER_ACTS where no daemon runs; raises ConfigError where one does, or the log was changed."""
    with renewal.held(config.data_folder):
        made = Act(now_ms, audit.FOLDER_ACTS[act], act, audit.ADMINISTRATOR, tuple(what))
        note(config.data_folder, federation_id, made)


def resume(data: Path, federation_id: FederationId, now_ms: int, words: str, *, since_start: bool = False) -> None:
    """Note that the log goes on from a copy: from here on, or maybe since the node's last start."""
    with closing(open_log(data, federation_id)) as log:
        started = log.last_of(audit.STARTED) if since_start else None
        counts = {audit.FROM: started.number} if started else {}
        log.append([audit.resumed(now_ms, words, counts)], now_ms)


def read(config: Config, federation_id: FederationId, use: str, now_ms: int) -> list[bytes]:
    """All segments where no daemon runs, which is noted in them first. Raises ConfigError where one does."""
    data = config.data_folder
    with renewal.held(data):
        what = (f"use:{use}",)
        act = Act(now_ms, Operation.CONSULTATION, "audit read", audit.ADMINISTRATOR, what)
        with suppress(ConfigError):  # what was changed is looked at, and not written to
            note(data, federation_id, act)
        return [segments.path_of(data / FOLDER, first).read_bytes() for first in segments.names(data / FOLDER)]


def held(config: Config) -> list[SignedEntry]:
    """Our member's ANCHORs, as they are held here."""
    with looking.into(config) as (opened, trust):
        return witnesses.of_member(opened, trust, folder.read_member(config.data_folder))


def witnessed(config: Config, letters: Sequence[SignedEntry] | None = None) -> list[Witness]:
    """What this node's ANCHORs say of its log: those in its own ledger, or these; raises Refused for a forged one."""
    node_id, me = folder.read_node_id(config.data_folder), folder.read_member(config.data_folder)
    with looking.into(config) as (opened, trust):
        found = witnesses.of_member(opened, trust, me) if letters is None else letters
        return anchors.seen(found, trust, anchors.feeds_of_node(trust, me, node_id))
