"""What can be examined in a folder without its daemon: who may read it, keys, room, clock, ports. Changes nothing."""

import os
import shutil
import socket
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from node.config import Config
from node.custody import custodian, folder, host, member, policies, renewal, soundness
from node.errors import ConfigError
from node.exchange import signing
from node.feed import keys
from node.rpc import finding
from node.store import vault
from node.v1.admin_pb2 import Finding

ROOM_BYTES_MIN = 64 << 20  # below that a single list may fill the disk
FUTURE = timedelta(minutes=1)  # file times and the clock are one machine's, unless the folder is mounted from another
ISSUER_NEAR_END = timedelta(days=180)
PATHS_NAMED = 3

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH


def examine(config: Config, now: datetime, *, runs: bool, deep: bool = False) -> list[Finding]:
    """Everything, in the order in which it is to be mended. What a running node holds is left to it.

    Raises ConfigError for a user that may not look.
    """
    try:
        return _examine(config, now, runs=runs, deep=deep)
    except PermissionError as error:
        raise ConfigError(
            f"{error.filename or config.data_folder} may not be read by this user",
            next_step="Run the command as the user that the node runs as, with `sudo -u`.",
        ) from error


def _examine(config: Config, now: datetime, *, runs: bool, deep: bool) -> list[Finding]:
    if not config.data_folder.is_dir():
        step = "Run `tocsin init`, or set data_folder in node.toml."
        return [finding.fault("folder", f"{config.data_folder} is not there", step)]
    parts: list[Callable[[], Iterable[Finding]]] = [
        lambda: _modes(config),
        lambda: _keys(config),
        lambda: _unfinished(config),
        lambda: _root_keys(config),
        lambda: _copies(config),
        lambda: [] if runs else _place(config),
        lambda: _room(config),
        lambda: _clock(config, now),
        lambda: _issuers(config, now),
        lambda: [] if runs else _ports(config),
        lambda: _policy(config),
        lambda: _holds(config, now),
        lambda: soundness.examine(config, deep=deep),
        lambda: [_backup(config), _log(config)],
    ]
    return [one for part in parts for one in part()]


# ---- Who may read what


def _modes(config: Config) -> Iterator[Finding]:
    owner = config.data_folder.stat().st_uid
    open_, foreign = [], []
    for path, seen in _walk(config.data_folder):
        if seen.st_mode & _OTHERS:
            open_.append(path)
        if seen.st_uid != owner:
            foreign.append(path)
    if open_:
        words = f"others on this machine may read or change {_named(open_)}; the node does not start like that"
        step = f"Run `chmod -R go= {config.data_folder}`, and make new keys if anyone else uses this machine."
        yield finding.fault("folder", words, step)
    if foreign:
        words = f"{_named(foreign)} belongs to another user than {config.data_folder}; the node may not write it"
        yield finding.fault("folder", words, f"Run `chown -R --reference={config.data_folder} {config.data_folder}`.")
    if not open_ and not foreign:
        yield finding.ok("folder", f"{config.data_folder}: nobody but its user may read it")
    yield from _configuration(config)


def _configuration(config: Config) -> Iterator[Finding]:
    """Who may change node.toml chooses the data folder and the socket."""
    loose = [path for path in (config.folder, config.folder / "node.toml") if _mode(path) & _WRITABLE]
    if loose:
        step = f"Run `chmod go-w {' '.join(map(str, loose))}`."
        yield finding.warning("folder", f"others on this machine may change {_named(loose)}", step)


def _walk(top: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in (top, *sorted(top.rglob("*"))):
        with suppress(FileNotFoundError):  # SQLite removes its own files when it closes
            found = path.lstat()
            if not stat.S_ISLNK(found.st_mode) and not stat.S_ISSOCK(found.st_mode):
                yield path, found


def _mode(path: Path) -> int:
    return path.stat().st_mode if path.exists() else 0


def _named(paths: list[Path]) -> str:
    more = len(paths) - PATHS_NAMED
    return ", ".join(map(str, paths[:PATHS_NAMED])) + (f" and {more} more" if more > 0 else "")


# ---- Keys


def _keys(config: Config) -> Iterator[Finding]:
    try:
        node = folder.read_keys(config.data_folder)
    except ConfigError as error:
        yield finding.fault("keys", error.reason, error.next_step)
    else:
        yield finding.ok("keys", f"whole and readable; this is a node of {keys.fingerprint(node.member_id)}")


def _unfinished(config: Config) -> Iterator[Finding]:
    """Keys that are to take the place of others, and have not yet."""
    if (config.data_folder / renewal.NEXT).exists():
        words = "a change of this node's keys was interrupted"
        yield finding.warning("keys", words, "Nothing is lost: the next start, or command on this folder, finishes it.")
    if (config.data_folder / renewal.PROPOSED).exists():
        words = "new keys of this node wait for the root's signature"
        yield finding.unknown(
            "keys", words, "`tocsin identity import FILE` puts them in force; a new request drops them."
        )


def _root_keys(config: Config) -> Iterator[Finding]:
    lying = [config.folder / name for name in (member.ROOT_KEY, member.NEXT_ROOT_KEY)]
    lying = [path for path in lying if path.exists()]
    if lying:
        yield finding.warning(
            "root key",
            f"{_named(lying)} still {'lies' if len(lying) == 1 else 'lie'} on this machine: whoever has one and its "
            "passphrase can become the member",
            "Move the two to offline media in two places, check that they can be read there, and delete them here.",
        )
    else:
        yield finding.ok("root key", "not on this machine")


def _place(config: Config) -> Iterator[Finding]:
    """A running node says that itself, and more."""
    with suppress(ConfigError, FileNotFoundError):  # said of the keys already
        if not host.is_unchanged(config.data_folder):
            yield finding.fault("signing", f"{config.data_folder / 'sign'}: {signing.COPIED}", signing.REOPEN)


def _copies(config: Config) -> Iterator[Finding]:
    """A second copy of the keys is a second node with one feed, as soon as somebody starts it."""
    found = [key.parent.parent for key in config.folder.glob(f"*/{folder.FEED_KEY}")]
    found = [path for path in found if not path.samefile(config.data_folder)]
    if found:
        yield finding.warning(
            "copies",
            f"{_named(found)} holds a node's keys too: a copy that is started signs the same places of one feed",
            "Delete it if it is a copy: node keys are in no backup, a node that lost them makes new ones.",
        )


# ---- The machine


def _room(config: Config) -> Iterator[Finding]:
    free = shutil.disk_usage(config.data_folder).free
    held = sum(found.st_size for _, found in _walk(config.data_folder))
    words = f"{_bytes(free)} free, the node holds {_bytes(held)}"
    step = "Make room: a node whose disk is full takes in nothing, and says so in its log."
    if free < ROOM_BYTES_MIN:
        yield finding.fault("disk", words, step)
    elif free < held:  # an index that is rebuilt, or a file that is tidied, needs as much again
        yield finding.warning("disk", f"{words}: too little to make it anew once", step)
    else:
        yield finding.ok("disk", words)


def _bytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def _clock(config: Config, now: datetime) -> Iterator[Finding]:
    times = {path: found.st_mtime for path, found in _walk(config.data_folder) if stat.S_ISREG(found.st_mode)}
    path = max(times, key=lambda path: times[path], default=config.data_folder)
    written = datetime.fromtimestamp(times.get(path, 0), UTC)
    if written > now + FUTURE:
        ahead = finding.span((written - now) / timedelta(seconds=1))
        yield finding.fault(
            "clock",
            f"{path} was written {ahead} from now: this machine's clock was ahead then, or is behind now",
            "Set the clock before the node signs or erases anything: `timedatectl` shows whether NTP does it.",
        )
    else:
        yield finding.ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC, and no file is from the future")


def _issuers(config: Config, now: datetime) -> Iterator[Finding]:
    for name, files in (("certificates", folder.ISSUER), ("tool certificates", folder.TOOLS)):
        try:
            ends = folder.read_issuer(config.data_folder, files).certificate.not_valid_after_utc
        except ConfigError:
            continue  # among the keys
        words = f"its issuer ends {ends:%Y-%m-%d}"
        step = "Plan a new issuer: it stands in the identity log, and every peer pins it from there."
        if ends <= now:
            yield finding.fault(name, f"{words}: nobody can connect any more", step)
        elif ends < now + ISSUER_NEAR_END:
            yield finding.warning(name, words, step)
        else:
            yield finding.ok(name, words)


def _ports(config: Config) -> Iterator[Finding]:
    for key, address in (("peers.listen", config.peers_listen), ("tools.listen", config.tools_listen)):
        try:
            _try(address)
        except OSError as error:
            step = f"`ss -ltnp` names who has it; or change {key} in node.toml."
            yield finding.fault("ports", f"{key}: {address} cannot be listened on: {error.strerror or error}", step)
        else:
            yield finding.ok("ports", f"{key}: {address} is free")


def _try(address: str) -> None:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trying.bind((host, int(port)))


# ---- What an operator has to know


def _policy(config: Config) -> Iterator[Finding]:
    """Whether the node's own policy keeps it from starting."""
    try:
        if (config.data_folder / policies.FILE).exists():
            custodian.require_for(config.folder, policies.read(config.data_folder / policies.FILE))
    except ConfigError as error:
        yield finding.fault("policy", error.reason, error.next_step)


def _holds(config: Config, now: datetime) -> Iterator[Finding]:
    """What is under legal hold: how much, and what somebody has to look at."""
    now_ms = int(now.timestamp() * 1000)
    states = Counter(one.state(now_ms) for one in vault.read(config.data_folder))
    held = states.total() - states["over"]
    if states["review"]:
        yield finding.warning(
            "holds",
            f"{states['review']:,} of {held:,} legal holds are to be reviewed",
            "`tocsin hold list` names them; `tocsin hold review` or `tocsin hold release` each.",
        )
    elif held:
        many = f"{held:,} legal hold{'' if held == 1 else 's'}"
        words = f"{many}, none to be reviewed; no backup has what is in {config.data_folder / vault.FOLDER}"
        yield finding.ok("holds", words)


def _backup(config: Config) -> Finding:
    return finding.ok(
        "backup",
        "`tocsin backup FILE`, the node may run, copies all that may come back. Never copy "
        f"{config.data_folder / 'sign'} and {config.data_folder / 'node'}: their keys never leave this machine, and an "
        "older copy signs one place twice. A copy of the stores brings back what was erased: see configs/README.md",
    )


def _log(config: Config) -> Finding:
    words = f"level {config.log_level}, {config.log_format}, to standard error; under systemd: `journalctl -u tocsin`"
    return finding.ok("log", words)
