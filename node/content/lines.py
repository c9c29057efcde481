"""Lists as text: a digest a line, in its first column. What is wrong with a line is said, not raised."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from node.content import hashes
from node.content.hashes import HashKind

LINE_BYTES_MAX = 8192  # the digest stands at the beginning; what follows may be cut off
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_BY_LENGTH = {2 * kind.digest_bytes: kind for kind in hashes.KINDS.values() if kind.of_file} | {
    -(-kind.digest_bytes // 3) * 4: kind for kind in hashes.KINDS.values() if kind.of_file
}


@dataclass(frozen=True, slots=True)
class Item:
    """A digest, and the line it stands in, from 1."""

    number: int
    kind: HashKind
    digest: bytes


@dataclass(frozen=True, slots=True)
class Bad:
    """A line that is no digest, and why."""

    number: int
    reason: str
    line: bytes


def read(lines: Iterable[bytes], kind: HashKind | None) -> Iterator[Item | Bad]:
    """What the lines say, one by one; without a kind each is guessed by its length.

    Columns end at white space or a comma; blank lines and those that begin with # are passed over.
    """
    for number, line in enumerate(lines, 1):
        columns = line.removeprefix(BYTE_ORDER_MARK if number == 1 else b"").split(b",", 1)[0].split(None, 1)
        if not columns:
            if b"," in line:
                yield Bad(number, "the first column is empty", line)
            continue
        first = columns[0]
        if first.startswith(b"#"):
            continue
        text = first.decode("utf-8", "replace")
        try:
            found = kind or guess(text)
            yield Item(number, found, hashes.parse(found, text))
        except ValueError as error:
            yield Bad(number, str(error), line)


def guess(text: str) -> HashKind:
    """The kind that is written in so many characters; raises ValueError where none is."""
    found = _BY_LENGTH.get(len(text))
    if found is None:
        lengths = ", ".join(f"{2 * kind.digest_bytes} ({name})" for name, kind in hashes.KINDS.items())
        raise ValueError(f"no kind of hash has {len(text)} characters; in hex they have {lengths}")
    return found


def cut(readline: Callable[[int], bytes]) -> Iterator[bytes]:
    """Lines of a file that may have endless ones: each is cut off, and counts once."""
    while line := readline(LINE_BYTES_MAX):
        yield line
        while len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            line = readline(LINE_BYTES_MAX)
