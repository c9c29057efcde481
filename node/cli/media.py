"""Media files: hashed by every kind that is made of a file's bytes, read once, with a bar on a terminal."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from node.cli import digests
from node.content import hashes
from node.content.hashes import Item
from node.errors import ConfigError

BLOCK_BYTES = 4 << 20

KINDS = tuple(kind for kind in hashes.KINDS.values() if kind.of_file)


def items_of(path: Path) -> Sequence[Item]:
    """The file as an item of each kind, hashed by all of them at once; raises ConfigError where it cannot be read."""
    made = [hashlib.new(kind.name, usedforsecurity=False) for kind in KINDS]
    try:
        with path.open("rb", buffering=0) as file, ThreadPoolExecutor(len(made)) as threads, digests.progress() as bars:
            bar = bars.add_task(f"hashing {path.name}", total=path.stat().st_size or None)
            while block := file.read(BLOCK_BYTES):
                for done in [threads.submit(one.update, block) for one in made]:
                    done.result()
                bars.advance(bar, len(block))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", next_step="Check the path.") from error
    return [Item(kind, one.digest()) for kind, one in zip(KINDS, made, strict=True)]
