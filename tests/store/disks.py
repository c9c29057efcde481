"""A disk that takes no more, or that does not say whether it kept what it took."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def full(room_bytes: int = 0) -> Iterator[None]:
    """No file of this process grows beyond so many bytes."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


@contextmanager
def failing(*calls: str) -> Iterator[None]:
    """These calls of the system fail, such as fsync: what was written before is in the file."""

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.MonkeyPatch.context() as broken:
        for call in calls:
            broken.setattr(os, call, fail)
        yield
