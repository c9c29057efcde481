"""Configuration: one TOML file to one frozen Config. An unknown or impossible value is named, never guessed."""

import difflib
import ipaddress
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from node.content import addresses
from node.errors import ConfigError
from node.policy import alarm
from node.policy.alarm import Route, Settings

FILE_NAME = "node.toml"
PEERS_PORT = addresses.PEERS_PORT
TOOLS_PORT = 7444
CONFIG_BYTES_MAX = 64 << 10
SOCKET_BYTES_MAX = 107  # the kernel's: sun_path without its closing zero

DAY_MS = 86_400_000
KEEP_DAYS_MAX = 3660
JUSTIFIED = ("export", "lookup", "entry", "compare")  # rpc/acts.py says which methods these are

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
Follow = Literal["chosen", "all"]
Personal = Literal["refuse", "audience"]
Declare = Literal["all", "persons"]


@dataclass(frozen=True, slots=True)
class Config:
    """What an operator may set on this machine; all paths absolute."""

    folder: Path  # where the file lies
    data_folder: Path
    name: str
    peers_listen: str
    peers_address: str  # empty: nobody dials us
    tools_listen: str
    tools_declare: Declare
    socket: Path
    lists_follow: Follow
    erasures_copy: Path | None  # none: there is no second erasure journal
    border_personal: Personal
    metrics_listen: str  # empty: nobody measures
    log_format: LogFormat
    log_level: LogLevel
    audit_life_ms: int
    audit_justify: tuple[str, ...]  # what takes a justification
    alarm: Settings  # whom crises wake


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""


class _Peers(_Table, frozen=True):
    listen: str = f"[::]:{PEERS_PORT}"
    address: str = ""


class _Tools(_Table, frozen=True):
    listen: str = f"127.0.0.1:{TOOLS_PORT}"
    declare: Declare = "all"


class _Admin(_Table, frozen=True):
    socket: str = ""  # empty: admin.sock in the data folder


class _Lists(_Table, frozen=True):
    follow: Follow = "chosen"


class _Erasures(_Table, frozen=True):
    copy: str = ""


class _Border(_Table, frozen=True):
    personal: Personal = "refuse"


class _Metrics(_Table, frozen=True):
    listen: str = ""
    allow_remote: bool = False


class _Log(_Table, frozen=True):
    format: LogFormat = "console"
    level: LogLevel = "info"


class _Audit(_Table, frozen=True):
    keep_days: int = 366
    justify: tuple[str, ...] = ()


class _Route(_Table, frozen=True):
    name: str = ""  # empty: its number, from 1
    command: tuple[str, ...] = ()
    webhook: str = ""
    secret: str = ""
    after: str = "0s"
    timeout: str = "30s"


class _Alarm(_Table, frozen=True):
    own: bool = False
    exercises: bool = False
    per_hour: int = 12
    routes: tuple[_Route, ...] = ()


class _File(_Table, frozen=True):
    name: str = "tocsin"
    data_folder: str = "data"
    peers: _Peers = _Peers()
    tools: _Tools = _Tools()
    admin: _Admin = _Admin()
    lists: _Lists = _Lists()
    erasures: _Erasures = _Erasures()
    border: _Border = _Border()
    metrics: _Metrics = _Metrics()
    log: _Log = _Log()
    audit: _Audit = _Audit()
    alarm: _Alarm = _Alarm()


def load(path: Path) -> Config:
    """Read a configuration file; raises ConfigError naming the file, the key and what is wrong with it."""
    try:
        with path.open("rb") as opened:
            text = opened.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}",
            next_step="Name the folder with --folder or TOCSIN_CONFIG; `tocsin init` makes one.",
        ) from error
    if len(text) > CONFIG_BYTES_MAX:
        raise ConfigError(f"{path} is too large for a configuration", next_step="Check that it is the right file.")
    return decode(text, path)


def decode(text: bytes, path: Path) -> Config:
    """The configuration in a text that lies, or will lie, in this place; raises ConfigError as `load` does."""
    path = path.absolute()
    try:
        raw: dict[str, Any] = msgspec.toml.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", next_step="Mend the line that is named.") from error
    _check_names(path, raw, _File, "")
    try:
        file = msgspec.convert(raw, _File)
    except msgspec.ValidationError as error:
        raise _wrong(path, *_located(str(error))) from error
    return _settle(path, file)


def _check_names(path: Path, raw: dict[str, Any], struct: type[_Table], place: str) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(struct)}
    for name, value in raw.items():
        if name not in fields:
            raise _unknown(path, place + name)
        inner = fields[name]
        if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, _Table):
            _check_names(path, value, inner, f"{place}{name}.")


def _unknown(path: Path, key: str) -> ConfigError:
    known = known_keys()
    # A key is often right and stands under the wrong table, so the last part alone may tell.
    last = {name.rpartition(".")[2]: name for name in known}
    tables = sorted({name.rpartition(".")[0] for name in known} - {""})
    near = difflib.get_close_matches(key, [*known, *tables], n=1)
    near = near or [last[name] for name in difflib.get_close_matches(key.rpartition(".")[2], sorted(last), n=1)]
    step = f"Did you mean {near[0]}?" if near else f"The keys are {', '.join(known)}."
    return ConfigError(f"{path}: there is no key {key}", next_step=step, field=key)


def known_keys() -> list[str]:
    """Every key of the file, with the table it stands in."""
    found = []
    for field in msgspec.structs.fields(_File):
        inner = field.type
        if isinstance(inner, type) and issubclass(inner, _Table):
            found += [f"{field.name}.{below.name}" for below in msgspec.structs.fields(inner)]
        else:
            found.append(field.name)
    return found


def _located(message: str) -> tuple[str, str]:
    """The key and the reason in what msgspec says: "Expected `str`, got `int` - at `$.peers.listen`"."""
    reason, _, place = message.partition(" - at `$.")
    return place.rstrip("`"), reason


def _wrong(path: Path, key: str, reason: str) -> ConfigError:
    step = "Mend the value; configs/node.toml explains every key."
    return ConfigError(f"{path}: {key}: {reason}", next_step=step, field=key)


def _settle(path: Path, file: _File) -> Config:
    folder = path.parent
    data_folder = folder / Path(file.data_folder).expanduser()
    config = Config(
        folder=folder,
        data_folder=data_folder,
        name=file.name,
        peers_listen=file.peers.listen,
        peers_address=file.peers.address,
        tools_listen=file.tools.listen,
        tools_declare=file.tools.declare,
        socket=folder / Path(file.admin.socket).expanduser() if file.admin.socket else data_folder / "admin.sock",
        lists_follow=file.lists.follow,
        erasures_copy=folder / Path(file.erasures.copy).expanduser() if file.erasures.copy else None,
        border_personal=file.border.personal,
        metrics_listen=file.metrics.listen,
        log_format=file.log.format,
        log_level=file.log.level,
        audit_life_ms=file.audit.keep_days * DAY_MS,
        audit_justify=file.audit.justify,
        alarm=_alarm(path, file.alarm),
    )
    faults = [*_faults(config), *_metrics_faults(config, file.metrics), *_audit_faults(file.audit)]
    faults += [(f"alarm.{key}", reason) for key, reason in alarm.faults(config.alarm)]
    for key, reason in faults:
        raise _wrong(path, key, reason)
    return config


def _alarm(path: Path, table: _Alarm) -> Settings:
    routes = []
    for place, one in enumerate(table.routes):
        times = {}
        for key, text in (("after", one.after), ("timeout", one.timeout)):
            time_ms = alarm.duration_ms(text)
            if time_ms is None:
                raise _wrong(path, f"alarm.routes[{place}].{key}", f"{text!r} is no time, as 30s, 5m or 1h")
            times[key] = time_ms
        secret = path.parent / Path(one.secret).expanduser() if one.secret else None
        name = one.name or str(place + 1)
        routes.append(Route(name, one.command, one.webhook, secret, times["after"], times["timeout"]))
    return Settings(tuple(routes), table.own, table.exercises, table.per_hour)


def _faults(config: Config) -> list[tuple[str, str]]:
    found = [
        ("peers.listen", addresses.fault(config.peers_listen, listening=True)),
        ("peers.address", addresses.fault(config.peers_address) if config.peers_address else ""),
        ("tools.listen", addresses.fault(config.tools_listen, listening=True)),
        ("admin.socket", _socket_fault(config.socket)),
    ]
    if config.peers_listen == config.tools_listen and not config.peers_listen.endswith(":0"):
        found.append(("tools.listen", f"{config.tools_listen} is where peers are listened for"))
    return [(key, reason) for key, reason in found if reason]


def _metrics_faults(config: Config, metrics: _Metrics) -> list[tuple[str, str]]:
    listen = metrics.listen
    if not listen:
        return []
    fault = addresses.fault(listen, listening=True)
    if not fault and not listen.endswith(":0") and listen in (config.peers_listen, config.tools_listen):
        fault = f"{listen} is where others are listened for already"
    if not fault and not metrics.allow_remote and not _is_loopback(listen):
        fault = (
            f"{listen} can be reached from outside, and the figures have no password;"
            " use 127.0.0.1 or [::1], or set metrics.allow_remote = true"
        )
    return [("metrics.listen", fault)] if fault else []


def _audit_faults(audit: _Audit) -> list[tuple[str, str]]:
    found = []
    if not 1 <= audit.keep_days <= KEEP_DAYS_MAX:
        found.append(("audit.keep_days", f"{audit.keep_days} is not between 1 and {KEEP_DAYS_MAX:,} days"))
    unknown = sorted(set(audit.justify) - set(JUSTIFIED))
    if unknown:
        found.append(("audit.justify", f"there is no {', '.join(unknown)}; there is {', '.join(JUSTIFIED)}"))
    return found


def _is_loopback(address: str) -> bool:
    """Only what says so itself: a name is what a resolver makes of it."""
    try:
        return ipaddress.ip_address(address.rpartition(":")[0].strip("[]")).is_loopback
    except ValueError:
        return False


def _socket_fault(socket: Path) -> str:
    size = len(os.fsencode(socket))
    return (
        f"{socket} has {size} bytes; a socket's path has at most {SOCKET_BYTES_MAX}" if size > SOCKET_BYTES_MAX else ""
    )


def render(
    name: str,
    *,
    listen: str,
    address: str = "",
    tools_listen: str = f"127.0.0.1:{TOOLS_PORT}",
    follow: Follow = "chosen",
    audit_keep_days: int = 366,
) -> str:
    """A whole configuration file, commented, with these values and the defaults."""
    return _TEXT.format(
        name=_quoted(name),
        listen=_quoted(listen),
        address=_quoted(address),
        tools_listen=_quoted(tools_listen),
        follow=_quoted(follow),
        audit_keep_days=audit_keep_days,
    )


def _quoted(text: str) -> str:
    # JSON's text is TOML's, once characters above U+FFFF are not cut in two.
    return json.dumps(text, ensure_ascii=False)


_TEXT = """\
# The configuration of a node. Paths are relative to this file. Every key may be left out.

# What this node calls itself in its own log. Nobody else sees it.
name = {name}

# Where keys and stores lie. Only the user that the node runs as may enter it.
data_folder = "data"

[peers]
# Where other members' nodes are listened for: host:port; [::] is every interface.
listen = {listen}
# Where other members' nodes reach us: told to all of them in this member's profile. Empty: nobody dials us.
address = {address}

[tools]
# Where in-house tools connect. Keep it away from the internet.
listen = {tools_listen}
# Who speaks of crises: "all" whose certificate says so, and the socket; or "persons" alone, by name. Whoever has
# seen one may say so either way.
declare = "all"

[admin]
# The administrator's socket; at most 107 bytes. Whoever may open it may do everything.
socket = "data/admin.sock"

[lists]
# "chosen": items of lists that `tocsin list follow` names are fetched and matched; "all": those of every list.
follow = {follow}

[erasures]
# A second erasure journal, on another disk or machine, as "/mnt/other/tocsin-erasures". It has addresses and no values.
# A restore needs it: a backup does not know what was erased after it was made. Where it has lines that the journal
# lacks, an older journal was put back, and the node does not run. Empty: there is none.
copy = ""

[border]
# What of our own records names a person, beyond what is never shared: "refuse" it, or let it through to an
# "audience": named members, sent to them directly. What is for all members is refused either way.
personal = "refuse"

[metrics]
# Where Prometheus is answered, as "127.0.0.1:7445". Empty: nowhere, and nothing is counted.
listen = ""
# Whether that may be an address that other machines reach. Anybody who does may read the figures.
allow_remote = false

[log]
# "console" for people, "json" for programs.
format = "console"
# "debug", "info", "warning" or "error".
level = "info"

[audit]
# How long the audit log keeps a line, in days: 366, or 1098 where the law asks for three years.
keep_days = {audit_keep_days}
# What takes a justification (--justify CODE "WHY"), which is noted: "export", "compare", "entry", and "lookup" of URLs.
justify = []

[alarm]
# Whether crises of our own wake somebody here, too.
own = false
# Whether exercises do. What they say begins with EXERCISE.
exercises = false
# How many crises, and how many drills, begin to wake somebody within an hour; of one member's half. The rest waits.
per_hour = 12
# Who is woken when a crisis is in effect here, one after the other until somebody acknowledges it, as
#   {{ name = "desk", webhook = "https://desk.example/tocsin", secret = "desk.secret" }},
#   {{ name = "officer", command = ["/usr/local/bin/call", "officer"], after = "5m", timeout = "30s" }},
# each with the time after which it is tried. configs/README.md says what programs and webhooks are told.
routes = []
"""
