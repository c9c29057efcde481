"""What several of the tests over real daemons begin with."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from tests.acts import pair
from tests.federation import WORDS, Node

settings.register_profile("alike", derandomize=True)  # what a change did not break is not found beside it by chance
settings.register_profile("searching", print_blob=True)
settings.load_profile("alike")


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Sequence[Node]]:
    """Two members that have approved each other and hold the same."""
    with pair(tmp_path) as nodes:
        yield nodes


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A file with the passphrase of every root key and spare."""
    path = tmp_path / "words"
    path.write_text(f"{WORDS}\n")
    path.chmod(0o600)
    return path
