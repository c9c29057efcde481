"""Completion: the script for a shell, and what the node knows: names of things, and the words of the rules."""

import os
import shlex
import signal
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from node.cli import calling, options, printing
from node.errors import Unavailable

if TYPE_CHECKING:
    from node.client import Client
    from node.policy.parameters import Parameters

SHELLS = ("bash", "zsh", "fish")
WAIT_S = 1.5  # longer, and whoever pressed the key has typed it

Names = Sequence[tuple[str, str]]  # what is typed, and what it is


@click.command(
    epilog=options.examples(
        "tocsin completion fish > ~/.config/fish/completions/tocsin.fish",
        'eval "$(tocsin completion bash)"         (in ~/.bashrc)',
        'eval "$(tocsin completion zsh)"          (in ~/.zshrc, behind compinit)',
    )
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands and names.

    The names are those of peers, members, crises, frameworks, lists and amendments, and the words of the
    rules for labels and exemptions, as the running node knows them.
    """
    from node.cli.main import COMPLETE

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - the choice above
    click.echo(found(ctx.find_root().command, {}, "tocsin", COMPLETE).source())


# ---- Names


class Name(click.ParamType[str]):
    """A text, and those that the node knows."""

    name = "text"

    def __init__(self, look: Callable[["Client"], Any]) -> None:
        self._look = look

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """Those that begin as what was typed; none where the node does not say so at once.

        A shell takes what it is given for a part of the command line: it is given plain words only.
        """
        found: Names = _asked(ctx, self._look)
        return [
            CompletionItem(name, help=printing.shortened(what))
            for name, what in found
            if name.startswith(incomplete) and shlex.quote(name) == name
        ]


def name_things(command: click.Command) -> None:
    """Let every argument and option that takes a name know what has names, by how the command line is built.

    An argument of `peer`, `profile`, `crisis` and `list` names one, if it is not called otherwise, as MEMBER or TEXT;
    and so does an option of that name, or another of those below, anywhere.
    """
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    for each in (command, *inner):
        for parameter in each.params:
            called = (parameter.name or "").rstrip("_")
            kind = command.name if isinstance(parameter, click.Argument) and called not in _CALLED else called
            if parameter.type is click.STRING and kind in _NAMES:
                parameter.type = Name(_NAMES[kind])


async def _peers(node: "Client") -> Names:
    from node.content import names
    from node.v1 import admin_pb2

    found = await node.admin.ListPeers(admin_pb2.ListPeersRequest())
    return [(names.slug(one.name) or one.fingerprint[:5], one.name) for one in found.peers]


async def _members(node: "Client") -> Names:
    from node.cli import contacts
    from node.content import names

    found = (await contacts.profiles(node)).profiles
    return [(names.slug(one.name) or one.member_id.hex()[:8], one.name) for one in found]


async def _crises(node: "Client") -> Names:
    return [(one.reference, one.crisis.title) for one in await node.crises(exercises=True)]


async def _lists(node: "Client") -> Names:
    return [(one.name, one.list.description) for one in await node.lists(exercises=True)]


async def _amendments(node: "Client") -> Names:
    from node.v1 import charter_pb2

    found = await node.charters.ListAmendments(charter_pb2.ListAmendmentsRequest())
    return [(one.reference, f"amendment {one.number}, {one.state}") for one in found.amendments]


async def _frameworks(node: "Client") -> Names:
    from node.v1 import charter_pb2

    found = await node.charters.ListFrameworks(charter_pb2.ListFrameworksRequest())
    return [(f"{one.name}@{one.version}", one.state) for one in found.frameworks]


async def _readers(node: "Client") -> Names:
    from node.feed.identity import Role

    return [*((role.name.lower(), "a role") for role in Role), *await _members(node)]


async def _labels(node: "Client") -> Names:
    from node.policy import vocabulary

    return [(word, "") for word in vocabulary.labels(await _rules(node))]


async def _exemptions(node: "Client") -> Names:
    from node.policy import vocabulary

    return [(word, "") for word in vocabulary.exemptions(await _rules(node))]


async def _rules(node: "Client") -> "Parameters":
    from node.policy import parameters
    from node.v1 import charter_pb2

    found = await node.charters.GetRules(charter_pb2.GetRulesRequest(text=True))
    return parameters.decode(found.text, "the rules")


_CALLED = frozenset({"member", "framework", "text", "number"})  # arguments that say themselves what they are
_NAMES = {
    "peer": _peers,
    "profile": _members,
    "member": _members,
    "crisis": _crises,
    "from_alert": _crises,
    "list": _lists,
    "agree": _amendments,
    "framework": _frameworks,
    "to": _readers,
    "label": _labels,
    "labels": _labels,
    "exemptions": _exemptions,
}


def _asked(ctx: click.Context, look: Callable[["Client"], Any]) -> Names:
    """What the node answers in time. Whatever goes wrong, a line that is being typed is no place to say it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # gRPC writes there by itself
    signal.signal(signal.SIGALRM, _too_late)
    signal.setitimer(signal.ITIMER_REAL, WAIT_S)
    try:
        with ctx.scope(cleanup=False):
            place = calling.find(ctx.params.get("folder") or options.find_folder())
            found: Names = calling.ask(place, look)
            return found
    except Exception:  # noqa: BLE001 - see above
        return []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _too_late(_signal: int, _frame: FrameType | None) -> None:
    raise Unavailable("too late")
