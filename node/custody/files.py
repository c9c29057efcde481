"""Files that hold keys: never half written, never readable by others, one process at a time."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from node.errors import ConfigError
from node.store import appending

SECRET_BYTES_MAX = 64 << 10  # the largest secret is a key file of a few hundred bytes
LOCK_NAME = "lock"

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


def create_secret(path: Path, data: bytes) -> None:
    """Write a secret that is not there yet, mode 0600; raises ConfigError rather than overwrite one."""
    _write(path, data, 0o600, _place_new)


def replace_secret(path: Path, data: bytes) -> None:
    """Write a secret, mode 0600, in the place of what was there."""
    _write(path, data, 0o600, os.replace)


def create_public(path: Path, data: bytes) -> None:
    """Write what anyone may read and what is not there yet, mode 0644; raises ConfigError rather than overwrite."""
    _write(path, data, 0o644, _place_new)


def replace_public(path: Path, data: bytes) -> None:
    """Write what anyone may read, mode 0644, in the place of what was there."""
    _write(path, data, 0o644, os.replace)


def _write(path: Path, data: bytes, mode: int, place: Callable[[Path, Path], None]) -> None:
    with writing(path, mode, place) as file:
        file.write(data)


@contextmanager
def writing(path: Path, mode: int, place: Callable[[Path, Path], None] = os.replace) -> Iterator[BinaryIO]:
    """A draft beside the path, which has its name once all of it is durable: there is never a part of a file.

    Raises ConfigError where it cannot be written.
    """
    # The name is this process's and this path's own, so what lies there is left from a crash of ours
    # with the same number, and O_EXCL makes sure that nobody laid a link there for us to write through.
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # whatever the umask: a public file must be readable
            yield file
            file.flush()
            os.fsync(descriptor)
        # A crash before this line leaves a draft; after it, the whole file. Never a part of it.
        place(draft, path)
        appending.sync_folder(path.parent)
    except FileExistsError as error:
        raise ConfigError(
            f"{path} is there already and is not overwritten",
            next_step="Move it away first if it is really no longer needed; a lost key cannot be made again.",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}",
            next_step=f"Check that {path.parent} exists, belongs to this user and has room.",
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _place_new(draft: Path, path: Path) -> None:
    """Give the draft its name unless something has it: a rename would overwrite, a link does not."""
    try:
        os.link(draft, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A stick with FAT has no links. Two commands at one time on one stick are not guarded against.
        if path.exists():
            raise FileExistsError(errno.EEXIST, "File exists", str(path)) from error
        os.replace(draft, path)  # noqa: PTH105 - beside os.link


def read_secret(path: Path) -> bytes:
    """The content of a secret file; raises ConfigError if others on this machine could read it too."""
    data, mode = _read(path)
    if mode & _OTHERS:
        raise ConfigError(
            f"{path} holds a secret and has mode {stat.S_IMODE(mode):04o}, so others may have read or changed it",
            next_step=f"Run `chmod 600 {path}`, and make a new key if anyone else uses this machine.",
        )
    return data


def read_sealed(path: Path) -> bytes:
    """The content of a file that its own encryption protects, whatever its mode.

    Passphrase files live on sticks, whose file systems often know no modes at all.
    """
    return _read(path)[0]


def read_public(path: Path, bytes_max: int) -> bytes:
    """The content of a file that anyone may read, such as a card; raises ConfigError if it is larger."""
    return _read(path, bytes_max)[0]


def _read(path: Path, bytes_max: int = SECRET_BYTES_MAX) -> tuple[bytes, int]:
    try:
        # Not blocking: a pipe in the place of the file must not stop us.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError(f"{path} is not a file", next_step="Name the file itself.")
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}",
            next_step="Check the path, and that this user owns the file.",
        ) from error
    if len(data) > bytes_max:
        raise ConfigError(f"{path} is too large for what it should be", next_step="Check that it is the right one.")
    return data, mode


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a data folder alone; raises ConfigError, naming the process, if another holds it.

    The kernel lets go of the lock when the process ends, however it ends. The file stays: removing
    it would let a third process lock a new one beside the second's.
    """
    path = folder / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be opened: {error.strerror}",
            next_step=f"Check that {folder} exists and belongs to this user; `tocsin init` makes it.",
        ) from error
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "that did not say its id"
        raise ConfigError(
            f"{folder} is in use by process {holder}",
            next_step="Stop it first, or use its administrator's socket; two on one folder would fork its feed.",
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
