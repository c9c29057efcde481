"""The host marker: whether a node's signing folder is still where it was made.

A copy that a backup or a clone brought back would sign places that were signed already. The marker
is a digest of this machine's id and of the inode of the feed key: neither survives a copy.
"""

from hashlib import sha256
from pathlib import Path

from node.custody import files

MARKER = "sign/host"
FEED_KEY = "sign/feed.key"
MACHINE_ID = Path("/etc/machine-id")


def write(folder: Path) -> None:
    """Say that the signing folder of this data folder lives here; the feed key must be in place."""
    files.replace_secret(folder / MARKER, _marker(folder))


def is_unchanged(folder: Path) -> bool:
    """Whether the feed key lies where the marker was written for it; no marker: no."""
    path = folder / MARKER
    return path.exists() and files.read_secret(path) == _marker(folder)


def _marker(folder: Path) -> bytes:
    machine = MACHINE_ID.read_bytes().strip() if MACHINE_ID.exists() else b""
    place = (folder / FEED_KEY).stat().st_ino
    return sha256(b"host" + machine + place.to_bytes(8)).hexdigest().encode() + b"\n"
