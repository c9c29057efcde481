"""Items on their way to the node: which columns of which file, what becomes of bad lines, and how far it is."""

import functools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeVar

import click

from node.cli import digests, printing
from node.content import detection, formats, hashes, lines
from node.content.hashes import HashKind
from node.content.lines import Bad, Item, Layout
from node.errors import ConfigError, NodeError, Refused

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from node.v1 import tools_pb2

LINES_PER_LOOK = 1 << 14  # between two steps of the bar
REASONS_MAX = 20  # told apart in the summary
OTHER = "other reasons"
SENDING = "sending"

_CELLS = re.compile(r"[\t,;]|\s{2,}")

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Source:
    """How a file is to be read, as its options say."""

    layout: Layout
    detect: bool
    format: str
    skip_bad: bool
    rejects: Path | None
    quality_floor: int | None  # as it was given

    def of_list(self, kinds: Sequence[str] = (), quality_floor: int = 0) -> "Source":
        """With the list's kind and floor where no option says them; SHA-256 where it has none yet."""
        floor = quality_floor or hashes.QUALITY_FLOOR if self.quality_floor is None else self.quality_floor
        found = replace(self, layout=replace(self.layout, quality_floor=floor))
        if self.detect or self.layout.kind:
            return found
        if len(kinds) > 1 and not self.layout.kind_column:
            raise Refused(
                f"the list has several kinds: {', '.join(kinds)}",
                next_step="Say which one it is with --kind, or --detect to have each value's guessed.",
                field="kind",
            )
        kind = hashes.KINDS.get(kinds[0]) if len(kinds) == 1 else hashes.SHA256
        return replace(found, layout=replace(found.layout, kind=kind))

    def for_others(self, allow_personal: str) -> "Source":
        """With URLs looked through: who logs in and addresses of machines make a line bad, and pages of accounts."""
        return replace(self, layout=replace(self.layout, for_others=True, accounts=bool(allow_personal)))

    @property
    def kind_name(self) -> str:
        """The one kind; empty where each item says its own."""
        return self.layout.kind.name if self.layout.kind else ""


def source(command: Command) -> Command:
    """The options of everything that reads a file of items, as ``source: Source``."""

    @functools.wraps(command)
    def with_source(
        *arguments: Any,
        kind: str | None,
        detect: bool,
        format_: str | None,
        column: str,
        kind_column: str,
        quality_column: str,
        quality_floor: int | None,
        skip_bad: bool,
        rejects: Path | None,
        **others: Any,
    ) -> Any:
        if kind and detect:
            raise click.UsageError("Give --kind or --detect, not both.")
        if rejects and not skip_bad:
            raise click.UsageError("--rejects is for --skip-bad.")
        layout = Layout(hashes.KINDS[kind] if kind else None, column, kind_column, quality_column)
        others["source"] = Source(layout, detect, format_ or "", skip_bad, rejects, quality_floor)
        if "quality_floor" in command.__annotations__:
            others["quality_floor"] = quality_floor
        return command(*arguments, **others)

    decorated: Any = with_source
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


_OPTIONS = (
    click.option("--kind", type=click.Choice(list(hashes.KINDS)), help="The kind of the values. Default: the list's."),
    click.option("--detect", is_flag=True, help="Guess the kind of each value by how it is written, and report it."),
    click.option(
        "--format", "format_", type=click.Choice(formats.FORMATS), help="Default: by the file's name, then its content."
    ),
    click.option("--column", default="", metavar="NAME|NUMBER", help="Where the value stands; a JSON field."),
    click.option("--kind-column", default="", metavar="NAME|NUMBER", help="Where its kind stands."),
    click.option("--quality-column", default="", metavar="NAME|NUMBER", help="Where the quality of a PDQ stands."),
    click.option(
        "--quality-floor",
        type=click.IntRange(0, hashes.QUALITY_MAX),
        help=f"A PDQ of lower quality makes a line bad. Default: {hashes.QUALITY_FLOOR}.",
    ),
    click.option("--skip-bad", is_flag=True, help="Leave out the lines that are no item, and go on with the others."),
    click.option("--rejects", type=click.Path(path_type=Path), help="Where to write those. Default: FILE.rejects."),
)

file = click.argument("file", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE|-")


class Reading:
    """One pass over a file, with a bar on a terminal; what it came to is known when it is over.

    Values of the command line stand in the place of the file, if there are any. ``undone`` is what is
    said where a bad line ends it.
    """

    def __init__(self, source: Source, path: Path, undone: str, written: Sequence[str] = ()) -> None:
        self.name = digests.name_of(path)
        self.good = 0
        self.bad = 0
        self.kinds: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.rejects = _rejects(path, source) if source.skip_bad else None
        self._source, self._path, self._undone = source, path, undone
        self._values = _values(source, written)
        self._open = ExitStack()
        self._rejected: BinaryIO | None = None
        self._bars: Progress | None = None
        self._bar: TaskID | None = None
        self._doing = SENDING

    def __enter__(self) -> Self:
        self._bars = self._open.enter_context(digests.progress())
        self._bar = self._bars.add_task(SENDING, total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def items(self) -> Iterator[Item]:
        """The good ones; raises Refused for a bad one, unless bad ones are left out, and where there is none."""
        try:
            for found in self._values or self._read():
                if isinstance(found, Bad):
                    self._reject(found)
                    continue
                self.good += 1
                self.kinds[found.kind.name] += 1
                yield found
            if not self.good:
                raise self._nothing()
            self.show("waiting for the node")
        except NodeError as error:
            raise _named(self.name, error) from error

    def _read(self) -> Iterator[Item | Bad]:
        source = self._source
        with digests.opened(self._path) as (text, raw):
            size = digests.size_of(raw)
            for number, found in enumerate(
                formats.read(lines.cut(text.read1), source.layout, self.name, source.format)
            ):
                yield found
                if size and number % LINES_PER_LOOK == 0:
                    self.show(SENDING, size, raw.tell())

    def show(self, what: str, total: int | None = None, completed: int = 0) -> None:
        """Say on the bar what is being done now."""
        if self._bars is None or self._bar is None:
            return
        if what != self._doing:  # a bar that has an end keeps it
            self._bars.remove_task(self._bar)
            self._bar = self._bars.add_task(what, total=total)
            self._doing = what
        self._bars.update(self._bar, total=total, completed=completed)

    def hide(self) -> None:
        """Take the bar away: what is written now may be on the same terminal."""
        if self._bars is not None:
            self._bars.stop()

    def _reject(self, bad: Bad) -> None:
        self.bad += 1
        cause = bad.reason.partition(", got ")[0]
        if cause.startswith(detection.UNTOLD):
            cause = "no kind could be told"
        self.reasons[cause if cause in self.reasons or len(self.reasons) < REASONS_MAX else OTHER] += 1
        if self.rejects is None:
            raise Refused(f"{self.name}:{bad.number}: {bad.reason}", next_step=self._hint(bad), field="line")
        if self._rejected is None:
            self._rejected = self._open.enter_context(_create(self.rejects))
        self._rejected.write(b"%d\t%s\t%s\n" % (bad.number, bad.reason.encode(), bad.line.rstrip(b"\r")))

    def _hint(self, bad: Bad) -> str:
        """What may be meant, and how to go on."""
        before = (
            f"{counted(self.good, 'item')} before it {'was' if self.good == 1 else 'were'} good. " if self.good else ""
        )
        said = "\n".join(filter(None, (before + self._undone, self._guess(bad))))
        return f"{said}\nMend the line, or leave such lines out with --skip-bad."

    def _guess(self, bad: Bad) -> str:
        layout = self._source.layout
        cells = [cell.strip('" ') for cell in _CELLS.split(bad.line.decode("utf-8", "replace").strip())]
        if layout.has_columns or bad.line.startswith(b"{"):
            return "Say what stands where with --kind, --column and --kind-column." if not self.good else ""
        read = [(kind, number) for number, cell in enumerate(cells, 1) if (kind := _kind_of(cell, layout.kind))]
        for kind, number in sorted(read, key=lambda one: one[0] is not layout.kind):
            if kind is layout.kind and number == 1:
                continue  # something else is wrong with it
            where, column = (f"Column {number}", f" --column {number}") if number > 1 else ("It", "")
            say = f"say --kind {kind.name}{column}, or --detect{column} where there are several kinds."
            return f"{where} reads as {kind.name}: {say}"
        return "" if self.good else "Say what stands where with --kind or --detect, --format and --column."

    def _nothing(self) -> Refused:
        if self.bad:
            return Refused(
                f"{self.name} has no items, only bad lines: {self.bad:,}",
                next_step=f"See {self.rejects}, and say what stands where with --kind, --format and --column.",
            )
        return Refused(f"{self.name} has no items", next_step="One a line is wanted, in the first column.")

    # ---- What it came to

    def summary(self) -> Iterator[str]:
        """Lines for people: kinds where they were guessed, and what was left out why."""
        if self._source.detect:
            yield f"kinds: {', '.join(self._kinds())}"
        if not self._source.skip_bad:
            return
        yield f"left out: {counted(self.bad, 'bad line')}{f', see {self.rejects}' if self.bad else ''}"
        for reason, count in self.reasons.most_common():
            yield f"  {count:>8,}  {printing.plain(reason)}"

    def fields(self) -> dict[str, object]:
        """The same for programs."""
        return {"rejected": self.bad, "reasons": dict(self.reasons), "kinds": dict(self.kinds)}

    def _kinds(self) -> Iterator[str]:
        for name, count in self.kinds.most_common():
            alike = detection.LOOKS_ALIKE.get(hashes.KINDS[name])
            yield f"{count:,} {name}{f' ({alike.name} looks alike: say --kind {alike.name} if it is)' if alike else ''}"


def _values(source: Source, written: Sequence[str]) -> list[Item]:
    found = []
    for number, text in enumerate(written, 1):
        try:
            found.append(lines.item(source.layout, number, text.strip()))
        except ValueError as error:
            raise click.UsageError(f"{printing.shortened(text)}: {error}") from None
    return found


def of_letter(values: "tools_pb2.Values", kind_name: str = "") -> Iterator[tuple[str, str, int | None]]:
    """Kind, value as it is written, and quality of each item. Nobody can split digests of an unknown kind."""
    name = values.kind or kind_name
    kind = hashes.KINDS.get(name)
    size = kind.digest_bytes if kind else 0
    packed = (values.digests[at : at + size] for at in range(0, len(values.digests), size)) if size else ()
    written = chain((hashes.write(kind, value) for value in packed) if kind else (), values.texts)
    for value, quality in zip_longest(written, values.qualities):
        yield name, value, None if quality in (None, hashes.QUALITY_UNKNOWN) else quality


def counted(count: int, noun: str) -> str:
    """As in "1 record" and "2,000 records"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _kind_of(written: str, wanted: HashKind | None) -> HashKind | None:
    """What this would be: the kind that is wanted, or else a guess."""
    for kind in (wanted, None) if wanted and wanted.is_fixed else (None,):
        try:
            return lines.item(Layout(kind, quality_floor=0), 0, written).kind
        except ValueError:
            continue
    return None


def _named(name: str, error: NodeError) -> NodeError:
    """An error of the file's, which is named."""
    if name in error.reason:
        return error
    return type(error)(f"{name}: {error.reason}", next_step=error.next_step, field=error.field)


def _rejects(path: Path, source: Source) -> Path:
    found = source.rejects or Path(f"{digests.name_of(path)}.rejects")
    if found.exists() and path.exists() and found.samefile(path):
        raise click.UsageError("--rejects names the list itself.")
    return found


def _create(path: Path) -> BinaryIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", next_step="Name another place with --rejects."
        ) from error
    return os.fdopen(descriptor, "wb")
