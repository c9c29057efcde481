"""Whose fault it is, as an exit code and on stderr."""

import click

from node.errors import ConfigError, NodeError, PeerFault, Refused, Unavailable

# 0 is success and 2 is click's own, for a command line that cannot be.
EXIT_CODES: dict[type[NodeError], int] = {Refused: 1, ConfigError: 3, Unavailable: 4, PeerFault: 5}

MEANINGS = {
    0: ("done", ""),
    1: ("refused", "the node, or the rules, say no; the reason and what to do stand on stderr"),
    2: ("not a command", "nothing was tried: the command line cannot be, or nobody was there to answer"),
    3: ("something to mend on this machine", "a file, a key, a setting, or who may read it"),
    4: ("not now", "the node does not run or does not answer; the same command may succeed later"),
    5: ("a peer's fault", "what another member or its node sent does not verify"),
}


def exit_code(error: NodeError) -> int:
    """By the nearest class in the tree that the table knows."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def show(error: NodeError) -> None:
    """The reason, and below it the next step."""
    click.echo(f"tocsin: {printable(error.reason)}", err=True)
    for line in error.next_step.splitlines():
        click.echo(f"  {printable(line)}", err=True)


def warn(reason: str, next_step: str) -> None:
    """What goes on all the same, on stderr too."""
    click.echo(f"tocsin: warning: {printable(reason)}", err=True)
    click.echo(f"  {printable(next_step)}", err=True)


def printable(text: str) -> str:
    """The text with what would steer a terminal spelled out: reasons quote files that others wrote."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
