"""Five nodes on this machine: a list travels, a crisis overtakes it, one node is stopped in between.

Everything is done by the command `tocsin`, as its users do it; nothing of the node is imported here.
"""

import asyncio
import gzip
import hashlib
import json
import os
import secrets
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
from demo_federation import BIN, Failed, Federation, Node, console, now_ms
from rich.table import Table
from rich.text import Text

ITEMS_MIN = 100_000
SAMPLES = ("hashes/unit42_sha256.tsv.gz", "hashes/debian12_source_files.tsv.gz")
LIMIT_S = 300.0  # for all of it; it takes a tenth of that
AGREE_S = 60.0
PUBLISHER, DECLARER, COSIGNER, RESTARTED = "europol", "ministry-b", "ministry-a", "bolt-social"
ASKED = ("dissemination", "real-world-event", "harm", "intimidation", "terrorism-link", "cross-border")
DECLARE = (
    *("crisis", "declare", "--framework", "eu-ocrf", "--title", "Shooting, livestream", "--place", "DE-ST"),
    *("--kind", "shooting", "--harm", "high", "--virality", "high", "--lead", "Situation centre"),
    *(word for name in ASKED for word in ("--criterion", f"{name}=yes")),
)
WORDS = ("--label", "propaganda", "--ground", "calls to join", "--exemption", "none-known")
CONFIRMATION = "Shooting"  # the title's first word
SAME = ("heads_digest", "index_digest")  # of a status, on every node at the end


@dataclass(frozen=True, slots=True)
class Times:
    """When the commands were given."""

    published_ms: float
    declared_ms: float
    stopped_ms: float
    restarted_ms: float
    ready_ms: float
    items: int
    crisis: str


# ---- The list


def find_list(folder: Path) -> Path:
    """A file of real digests: from the samples, or made of this environment's own files."""
    given = os.environ.get("TOCSIN_SAMPLES")
    if not given:
        return _make_list(folder / "blocks.txt")
    found = [path for name in SAMPLES if (path := Path(given).absolute() / name).exists()]
    if not found:
        raise Failed(f"TOCSIN_SAMPLES is {given}, where none of these is: {', '.join(SAMPLES)}")
    return found[0]


def _make_list(path: Path) -> Path:
    """SHA-256 of the 1 KiB blocks of the environment's files, in the order of their names."""
    digests = dict[str, None]()
    for file in sorted(BIN.parent.rglob("*")):
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            blocks = (content[start : start + 1024] for start in range(0, len(content), 1024))
            digests.update((hashlib.sha256(block).hexdigest(), None) for block in blocks)
        if len(digests) >= ITEMS_MIN:
            break
    path.write_text("\n".join(digests) + "\n")
    return path


def three_of(path: Path) -> list[str]:
    """The first, the middle and the last digest of a file."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        digests = [line.split()[0] for line in lines]
    return [digests[0], digests[len(digests) // 2], digests[-1]]


# ---- The story


async def found_federation(federation: Federation) -> None:
    """From nothing to five nodes that are connected, in step, and follow a list that is empty yet."""
    nodes = federation.nodes.values()
    secret = federation.folder / "passphrase"
    secret.touch(0o600)
    secret.write_text(f"{secrets.token_hex(16)}\n")
    await asyncio.gather(*(_init(federation, node) for node in nodes))
    federation.say("lead", "tocsin charter template > federation.toml")
    text = await federation.run(None, "charter", "template", said=False)
    (federation.folder / "federation.toml").write_text(text)
    cards = sorted(path.relative_to(federation.folder) for path in federation.folder.glob("*/*.card"))
    await federation.run(None, "charter", "create", "federation.toml", *cards, "--yes")
    await federation.each("join", "charter.tocsin", "--yes")
    federation.say("each", "tocsin run")
    await asyncio.gather(*(federation.start(node) for node in nodes))
    await federation.each("peer", "add", "--founders", "--yes")
    publisher = federation.nodes[PUBLISHER]
    await federation.run(publisher, "list", "create", "samples", *WORDS)
    federation.say("each", "tocsin status --json")
    await agree(federation, 0)
    await asyncio.gather(
        *(federation.run(node, "list", "follow", f"{PUBLISHER}/samples") for node in nodes if node is not publisher)
    )


async def _init(federation: Federation, node: Node) -> None:
    who = ("--name", node.name, "--role", node.role, "--country", node.country)
    where = ("--address", node.peers, "--listen", node.peers, "--tools-listen", node.tools)
    await federation.run(node, "init", *who, *where)


async def exchange(federation: Federation, file: Path) -> Times:
    """A list from one, a declaration from another while it travels, and a third that misses some of both."""
    declarer = federation.nodes[DECLARER]
    async with federation.asking(declarer, DECLARE, "to confirm:") as answer, asyncio.TaskGroup() as tasks:
        published_ms = now_ms()
        publish = ("list", "publish", file, "--name", "samples", "--json")
        publishing = tasks.create_task(federation.run(federation.nodes[PUBLISHER], *publish))
        restarting = tasks.create_task(_restart(federation, federation.nodes[RESTARTED]))
        await federation.until(declarer, lambda: declarer.items > 0)
        declared_ms = now_ms()
        federation.say(declarer.slug, CONFIRMATION, "[the answer, while the list travels]")
        crisis = (await answer(CONFIRMATION)).split()[0]
    items = json.loads(publishing.result())["list"]["items"]
    for node in federation.nodes.values():
        await federation.until(node, partial(_has_all, node, items))
    await federation.run(federation.nodes[COSIGNER], "crisis", "cosign", crisis, "--without-code", "--yes")
    return Times(published_ms, declared_ms, *restarting.result(), items, crisis)


def _has_all(node: Node, items: int) -> bool:
    return node.items >= items and bool(node.of_kind("declaration"))


async def _restart(federation: Federation, node: Node) -> tuple[float, float, float]:
    """Stop a node as soon as it has some of the list, and start it again."""
    await federation.until(node, lambda: node.items > 0)
    assert node.daemon is not None
    stopped_ms = now_ms()
    federation.say(node.slug, f"kill {node.daemon.pid}", "[it has some of the list]")
    await federation.stop(node)
    restarted_ms = now_ms()
    federation.say(node.slug, "tocsin run")
    await federation.start(node)
    return stopped_ms, restarted_ms, now_ms()


async def agree(federation: Federation, items: int) -> dict[str, Any]:
    """Ask every node how it is until all say the same; what they say. Raises Failed with what differs."""
    deadline_ms = now_ms() + AGREE_S * 1000
    while True:
        answers = await federation.each("status", "--json", "--index-digest", said=False)
        found = [json.loads(answer) for answer in answers]
        wanted: dict[str, Any] = {name: found[0][name] for name in SAME}
        wanted |= {"items": items, "payloads_wanted": 0, "peers_connected": len(federation.nodes) - 1}
        differing = [
            f"{name} of {node.name} is {one[name]}, not {value}"
            for node, one in zip(federation.nodes.values(), found, strict=True)
            for name, value in wanted.items()
            if one[name] != value
        ]
        if not differing:
            return wanted
        if now_ms() > deadline_ms:
            raise Failed("the nodes do not agree: " + "; ".join(differing))


async def look_up(federation: Federation, digests: Sequence[str]) -> None:
    """Every node must find each of the digests in the list; raises Failed for one that does not."""
    answers = await federation.each("lookup", *digests, "--json")
    for node, answer in zip(federation.nodes.values(), answers, strict=True):
        found = {one["value"] for one in json.loads(answer) if one["list"] == f"{PUBLISHER}/samples"}
        if missing := set(digests) - found:
            raise Failed(f"{node.name} does not find {', '.join(sorted(missing))} in {PUBLISHER}/samples")


# ---- What came of it


def share(node: Node) -> float:
    """How much of the list a node could read when the declaration became readable there.

    By position, not by received_ms: that is when a header came, and its items follow later.
    """
    (declaration,) = node.of_kind("declaration")
    items = node.of_kind("items")
    return sum(one.items for one in items if one.position < declaration.position) / node.items


def timeline(federation: Federation, times: Times) -> list[tuple[float, str, str]]:
    """What occurred: when, at whose node, what."""
    restarted, declarer = federation.nodes[RESTARTED], federation.nodes[DECLARER]
    (declaration,) = declarer.of_kind("declaration")
    found = [
        (times.published_ms, federation.nodes[PUBLISHER].name, f"`tocsin list publish`: {times.items:,} digests"),
        (times.declared_ms, declarer.name, "confirms `tocsin crisis declare`"),
        (declaration.created_ms, declarer.name, f"signs the declaration, {times.crisis}"),
        (times.stopped_ms, restarted.name, "is told to stop"),
        (times.restarted_ms, restarted.name, "has stopped; `tocsin run`"),
        (times.ready_ms, restarted.name, "is ready again"),
    ]
    for node in federation.nodes.values():
        first, last = (pick(node.of_kind("items"), key=lambda one: one.shown_ms) for pick in (min, max))
        (declaration,) = node.of_kind("declaration")
        found.append((first.shown_ms, node.name, f"shows the first {first.items:,} digests"))
        found.append((last.shown_ms, node.name, "shows the last digests: the list is complete"))
        if node is not declarer:
            found.append(
                (declaration.received_ms, node.name, f"has the declaration, and {share(node):.0%} of the list")
            )
    return sorted(found)


def show(federation: Federation, times: Times) -> None:
    """The timeline and a line for each node."""
    console.print("\nMilliseconds after `tocsin list publish` was typed:\n", style="bold")
    for moment_ms, name, what in timeline(federation, times):
        style = "yellow" if "declar" in what else None
        console.print(Text(f"{moment_ms - times.published_ms:9,.0f} ms  {name:<12} {what}", style or ""))
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="bold", title_justify="left")
    for heading in ("node", "had the declaration", "its watch showed it", "held of the list then", "list complete"):
        table.add_column(heading, justify="left" if heading == "node" else "right")
    for node in federation.nodes.values():
        (declaration,) = node.of_kind("declaration")
        complete_ms = max(one.shown_ms for one in node.of_kind("items"))
        table.add_row(
            node.name,
            f"{declaration.received_ms - declaration.created_ms:,} ms",
            f"{declaration.shown_ms - declaration.created_ms:,.0f} ms",
            f"{share(node):.0%}",
            f"{complete_ms - times.published_ms:,.0f} ms",
        )
    console.print()
    console.print(table)
    console.print("\nThe declaration's times count from its signature, the list's from its command.")
    restarted = federation.nodes[RESTARTED]
    caught_up_ms = max(one.shown_ms for one in restarted.seen.values()) - times.restarted_ms
    console.print(f"{restarted.name} had caught up {caught_up_ms:,.0f} ms after `tocsin run`.")


async def play(federation: Federation) -> None:
    """All of it; raises Failed at the first thing that is not as it should be."""
    file = find_list(federation.folder)
    await found_federation(federation)
    nodes = federation.nodes.values()
    command = ("watch", "--json", "--kind", "items", "--kind", "declaration")
    federation.say("each", shlex.join(["tocsin", *command]), "[to the end]")
    watches = [asyncio.create_task(federation.watch(node, command)) for node in nodes]
    try:
        for node in nodes:
            await federation.until(node, partial(getattr, node, "watching"))
        times = await exchange(federation, file)
        federation.say("each", "tocsin status --json --index-digest")
        status = await agree(federation, times.items)
        await look_up(federation, three_of(file))
    finally:
        for one in watches:
            one.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
    show(federation, times)
    if times.items < ITEMS_MIN:
        raise Failed(f"the list has only {times.items:,} digests, not {ITEMS_MIN:,}")
    if all(share(node) == 1 for node in nodes if node.slug != RESTARTED) or share(federation.nodes[RESTARTED]) == 1:
        raise Failed("the list was through before the declaration, so nothing was overtaken")
    console.print(
        f"All five agree: heads {status['heads_digest'][:12]}, index {status['index_digest'][:12]}, "
        f"{times.items:,} digests, nothing wanted; three digests found on each.",
        style="bold green",
    )


def _explain(federation: Federation) -> None:
    """How to talk to what was kept, and how to end it."""
    running = [node for node in federation.nodes.values() if node.daemon and node.daemon.poll() is None]
    if running:
        console.print("\nThe nodes go on. To talk to one:\n")
        for node in running:
            console.print(f"  TOCSIN_CONFIG={node.folder} {BIN / 'tocsin'} status")
        console.print(f"\nTo end all:\n\n  kill {' '.join(str(node.daemon.pid) for node in running if node.daemon)}")
    console.print(f"\nWhat each wrote is in {federation.folder}/*/log. When none runs:\n\n  rm -r {federation.folder}")


async def _guarded(federation: Federation) -> None:
    """Within the limit, and SIGTERM ends it as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        async with asyncio.timeout(LIMIT_S):
            await play(federation)
    except TimeoutError:
        shown = ", ".join(f"{node.name} {node.items:,}" for node in federation.nodes.values())
        raise Failed(f"not done after {LIMIT_S:.0f} s; last: `{federation.step}`; digests shown: {shown}") from None


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  scripts/demo\n  scripts/demo --keep\n  TOCSIN_SAMPLES=samples scripts/demo\n\n"
    "Exit codes: 0 all five agree, 1 they do not or something failed, 130 interrupted; the last line says what.",
)
@click.option("--keep", is_flag=True, help="Leave nodes and folder as they are, and say how to talk to each node.")
def main(keep: bool) -> None:
    """Show five nodes exchange a list and a crisis, in a temporary folder on free ports of 127.0.0.1.

    Europol publishes 100,000 digests or more; while they travel, a ministry declares a crisis, and a platform's
    node is stopped and started again. Each line is a command as its user types it, with TOCSIN_CONFIG naming the
    folder of their node. The list is one of the samples in TOCSIN_SAMPLES; without that, SHA-256 of the blocks of
    this environment's own files.
    """
    federation = Federation(Path(tempfile.mkdtemp(prefix="tocsin-demo-")))
    try:
        console.print(f"In {federation.folder}:\n")
        asyncio.run(_guarded(federation))
    except Failed as failed:
        console.print(f"\nFAILED: {failed}", style="bold red")
        sys.exit(1)
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("\nInterrupted.", style="bold red")
        sys.exit(130)
    finally:
        if keep:
            _explain(federation)
        else:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # what was begun must end
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            federation.close()


if __name__ == "__main__":
    main(prog_name="scripts/demo")
