"""Fresh keys take the place of a node's present ones, whole or not at all.

They are written beside the present ones, and one rename decides: before it nothing has changed, after
it whoever takes the folder next finishes what is left. No key that was signed with is ever kept: of
the old signing folder only the journal stays, as evidence.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from node.custody import files, folder
from node.custody.folder import NodeKeys
from node.errors import ConfigError
from node.store import appending
from node.store.journal import FileJournal, Signed

NEXT = "next"  # decided: it takes the present one's place
PROPOSED = "proposed"  # keys that wait for the root, which signs elsewhere
_DRAFT = ".next"
_PARTS = ("sign", "node")


@contextmanager
def held(data: Path) -> Iterator[None]:
    """Hold a data folder alone, an interrupted change of its keys finished."""
    with files.locked(data):
        finish(data)
        yield


def renew(data: Path, fresh: NodeKeys, journal: Sequence[Signed], former: str) -> None:
    """Put these keys in the place of all others; their feed's journal begins with these lines.

    What was signed here so far is kept under the name ``former``. For whoever holds the folder.
    """
    draft = _begin(data, fresh)
    journals = draft / folder.FORMER_JOURNALS
    journals.mkdir(mode=0o700)
    for path in sorted((data / folder.FORMER_JOURNALS).glob("*")):
        files.create_secret(journals / path.name, path.read_bytes())
    if (data / folder.JOURNAL).exists():
        files.create_secret(journals / former, (data / folder.JOURNAL).read_bytes())
    kept = FileJournal(draft / folder.JOURNAL)
    kept.append(journal)
    kept.close()
    _decide(data, draft)


def replace_issuer(data: Path, node: NodeKeys) -> None:
    """Show the next issuer from now on; the one shown so far is destroyed. For whoever holds the folder."""
    draft = _begin(data, replace(node, issuer=node.certified_issuer, next_issuer=None))
    shutil.rmtree(draft / "sign")
    _decide(data, draft)


def propose(data: Path, fresh: NodeKeys) -> None:
    """Keep keys until the root, elsewhere, has certified them. The ones proposed before go."""
    discard_proposed(data)
    folder.create_folder(data / PROPOSED, fresh)
    appending.sync_folder(data)


def read_proposed(data: Path) -> NodeKeys:
    """The keys that wait; raises ConfigError where there are none."""
    if not (data / PROPOSED).is_dir():
        raise ConfigError(
            "the root certified keys that are not in this folder any more",
            next_step="Ask for new ones with --export, and have the root sign that file.",
        )
    return folder.read_keys(data / PROPOSED)


def discard_proposed(data: Path) -> None:
    """Destroy the keys that wait, if there are any."""
    _destroy(data / PROPOSED)


def finish(data: Path) -> None:
    """Finish a change that was decided, and drop one that was not."""
    shutil.rmtree(data / _DRAFT, ignore_errors=True)
    made = data / NEXT
    if not made.is_dir():
        return
    for name in _PARTS:
        if (made / name).exists():
            _destroy(data / name)
            (made / name).rename(data / name)
            appending.sync_folder(data)
            appending.sync_folder(made)
    made.rmdir()
    appending.sync_folder(data)


def _begin(data: Path, fresh: NodeKeys) -> Path:
    draft = data / _DRAFT
    shutil.rmtree(draft, ignore_errors=True)
    folder.create_folder(draft, fresh)
    return draft


def _decide(data: Path, draft: Path) -> None:
    for path in sorted(draft.rglob("*"), reverse=True):
        if path.is_dir():
            appending.sync_folder(path)
    appending.sync_folder(draft)
    draft.rename(data / NEXT)
    appending.sync_folder(data)
    discard_proposed(data)
    finish(data)


def _destroy(place: Path) -> None:
    """Overwrite, then remove: as much as a file system lets us do."""
    if not place.exists():
        return
    for path in sorted(place.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("r+b") as file:
                file.write(bytes(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
    shutil.rmtree(place)
