"""Backups: everything of a node that may come back, and neither a payload nor a key.

A plain tar: a manifest first, with the SHA-256 of each file behind it. The ledger in it is copied row
by row in one look at it, so that no ciphertext is ever in the copy, and what was live is wanted again
where it is restored. What was erased stays so: the erasure journal is in it too.
"""

import io
import re
import shutil
import tarfile
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from node.config import FILE_NAME, Config
from node.custody import custodian, files, folder, looking, policies
from node.errors import ConfigError, Refused
from node.exchange import consult
from node.exchange.trust import Trust
from node.policy.following import Follows
from node.store import migrations, schema, segments, snapshot
from node.store.erasures import FILE as ERASURES
from node.store.stores import Stores

VERSION = 1
_SEGMENT = re.compile(r"audit-[0-9]{12}")
MANIFEST = "manifest.json"
LEDGER = "ledger.db"
IN_DATA = (LEDGER, ERASURES, folder.CHARTER, policies.FILE)  # all others lie beside the data folder
AUDIT_PREFIX = f"{segments.FOLDER}-"  # but the audit log's segments, each by its first line
MANIFEST_BYTES_MAX = 1 << 20
CARD_SUFFIX = ".card"


class File(msgspec.Struct, frozen=True):
    """One file behind the manifest."""

    name: str
    bytes: int
    sha256: str


class OnlyHere(msgspec.Struct, frozen=True):
    """A list of ours of which records lie on this node alone, so that they cannot come back."""

    list: str
    records: int


class Manifest(msgspec.Struct, frozen=True):
    """What a backup is of, and what is not in it."""

    version: int
    made_ms: int
    program: str
    schema_version: int
    federation_id: str
    member_id: str
    node_id: str
    name: str
    log_entries: int  # of the member's own identity log
    files: tuple[File, ...]
    only_here: tuple[OnlyHere, ...]


def write(config: Config, path: Path, now_ms: int) -> Manifest:
    """Write a backup of a node, running or not, into a new file of mode 0600."""
    with tempfile.TemporaryDirectory(dir=path.absolute().parent, prefix=".backup-") as place:
        with looking.into(config) as (opened, trust):
            only_here = _only_here(opened, trust, config, now_ms)
            log = trust.logs[folder.read_member(config.data_folder)]
            snapshot.write(config.data_folder / LEDGER, Path(place) / LEDGER)
        # Behind the ledger: what is erased in that has been in this journal before.
        kept = [config.data_folder / name for name in IN_DATA if name != LEDGER]
        kept += [config.folder / FILE_NAME, config.folder / custodian.PUBLIC]
        kept += sorted(config.folder.glob(f"*{CARD_SUFFIX}"))
        found = [Path(place) / LEDGER, *(_copy(path, Path(place)) for path in kept if path.exists())]
        found += _copy_audit(config.data_folder / segments.FOLDER, Path(place))
        manifest = Manifest(
            version=VERSION,
            made_ms=now_ms,
            program=migrations.program(),
            schema_version=schema.VERSION,
            federation_id=trust.federation_id.hex(),
            member_id=log.identity.member_id.hex(),
            node_id=folder.read_node_id(config.data_folder).hex(),
            name=log.identity.inception.name,
            log_entries=log.head.seq,
            files=tuple(_describe(each) for each in found),
            only_here=only_here,
        )
        _pack(path, manifest, found)
    return manifest


def _copy(path: Path, place: Path) -> Path:
    """A file of a node that may write it meanwhile, as it is now."""
    return Path(shutil.copyfile(path, place / path.name))


def _copy_audit(folder: Path, place: Path) -> list[Path]:
    """The audit log; a segment that is erased meanwhile is not missed."""
    made = []
    for first in segments.names(folder):
        path = segments.path_of(folder, first)
        with suppress(FileNotFoundError):
            made.append(Path(shutil.copyfile(path, place / f"{AUDIT_PREFIX}{path.name}")))
    return made


def _describe(path: Path) -> File:
    with path.open("rb") as file:
        size, digest = path.stat().st_size, sha256()
        while part := file.read(1 << 20):
            digest.update(part)
    return File(path.name, size, digest.hexdigest())


def _pack(path: Path, manifest: Manifest, found: list[Path]) -> None:
    if path.exists():
        raise ConfigError(f"{path} is there already and is not overwritten", next_step="Name another file.")
    with files.writing(path, 0o600) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        data = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        _add(tar, MANIFEST, io.BytesIO(data), len(data))
        for each in found:
            with each.open("rb") as content:
                _add(tar, each.name, content, each.stat().st_size)


def _add(tar: tarfile.TarFile, name: str, content: "io.BytesIO | io.BufferedReader", size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, content)


def _only_here(opened: Stores, trust: Trust, config: Config, now_ms: int) -> tuple[OnlyHere, ...]:
    me = folder.read_member(config.data_folder)
    seen = consult.view(trust, Follows(me), now_ms)
    lists = consult.lists(opened, seen, "", exercises=True)
    return tuple(
        OnlyHere(one.name, one.records - one.records_elsewhere)
        for one in lists
        if one.member_id == me and one.records > one.records_elsewhere
    )


# ---- Reading


def read(path: Path, into: Path) -> Manifest:
    """Unpack a backup into a folder, everything in it checked; raises Refused for what is none or was changed."""
    try:
        with tarfile.open(path, mode="r:") as tar:
            manifest = _manifest(tar, path)
            for each in manifest.files:
                _unpack(tar, each, into, path)
    except (OSError, tarfile.TarError, msgspec.DecodeError) as error:
        raise _no_backup(path, error) from error
    return manifest


def manifest_of(path: Path) -> Manifest:
    """What a backup says of itself; raises Refused for what is none."""
    try:
        with tarfile.open(path, mode="r:") as tar:
            return _manifest(tar, path)
    except (OSError, tarfile.TarError, msgspec.DecodeError) as error:
        raise _no_backup(path, error) from error


def _no_backup(path: Path, error: Exception) -> Refused:
    return Refused(f"{path} is no backup, or was changed: {error}", next_step="Take another copy of it.", field="file")


def _manifest(tar: tarfile.TarFile, path: Path) -> Manifest:
    first = tar.next()
    content = tar.extractfile(first) if first and first.name == MANIFEST and first.isfile() else None
    if content is None:
        raise Refused(f"{path} has no manifest", next_step="Name a file that `tocsin backup` wrote.", field="file")
    manifest = msgspec.json.decode(content.read(MANIFEST_BYTES_MAX), type=Manifest)
    if manifest.version != VERSION or manifest.schema_version > schema.VERSION:
        raise Refused(
            f"{path} was made by {manifest.program}, a newer program", next_step="Install that version.", field="file"
        )
    return manifest


def _unpack(tar: tarfile.TarFile, file: File, into: Path, path: Path) -> None:
    # Only plain names of files that a backup has: what a tar says of places and links is not followed.
    named = (
        file.name in (FILE_NAME, custodian.PUBLIC, *IN_DATA)
        or file.name.endswith(CARD_SUFFIX)
        or _SEGMENT.fullmatch(file.name)
    )
    if not named or Path(file.name).name != file.name or file.name.startswith("."):
        raise Refused(f"{path} has a file {file.name!r}, which no backup has", next_step="Ask where it comes from.")
    content = tar.extractfile(file.name) if file.name in tar.getnames() else None
    if content is None:
        raise Refused(f"{path} lacks {file.name}", next_step="Take another copy of it.", field="file")
    digest = sha256()
    with files.writing(into / file.name, 0o600) as made:
        while part := content.read(1 << 20):
            digest.update(part)
            made.write(part)
    if digest.hexdigest() != file.sha256:
        raise Refused(f"{path}: {file.name} was changed", next_step="Take another copy of it.", field="file")
