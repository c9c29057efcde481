"""The options by which something is marked, one for each scale; what they say stands by its key in a crisis's file."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from node.crisis import words as keys

if TYPE_CHECKING:
    from node.v1 import record_pb2

Command = TypeVar("Command", bound=Callable[..., Any])
KEYS = ("tlp", "pap", "handling", "evaluation")
_EVALUATIONS = [f"{source}{information}" for source in keys.SOURCES for information in keys.INFORMATION]


def options(default: str) -> Callable[[Command], Command]:
    """--tlp, --pap, --handling and --evaluation, each None or empty where it is not given."""

    def decorate(command: Command) -> Command:
        for option in reversed(
            (
                click.option("--tlp", type=click.Choice(keys.MARKS), help=f"Who may be told.  [default: {default}]"),
                click.option(
                    "--pap",
                    type=click.Choice(keys.PAP),
                    help="What may be done with it: amber, only looked up unseen; red, nothing that can be noticed.",
                ),
                click.option(
                    "--handling",
                    multiple=True,
                    type=click.Choice(keys.HANDLING_CODES),
                    help="H0 only against crime, H1 not in court, H2 not passed on, H3 as the summary says. Once for "
                    "each. What is under H2 or H3, or PAP amber or red, is not for all members.",
                ),
                click.option(
                    "--evaluation",
                    metavar="CODE",
                    type=click.Choice(_EVALUATIONS),
                    help="Source and information, A1 to X4.",
                ),
            )
        ):
            command = option(command)
        return command

    return decorate


def given(said: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some options that were, by key."""
    return {key: list(said[key]) if key == "handling" else said[key] for key in KEYS if said.get(key)}


def new(given: Mapping[str, Any]) -> "record_pb2.Handling":
    """The marks of something new: GREEN where nothing else is given."""
    from node.crisis import marks

    return marks.letter(marks.Marks(**given))


def words(said: "record_pb2.Handling", *, of_all: bool = True) -> str:
    """Marks as people write them; ``of_all``: also TLP:GREEN alone, as nearly all are."""
    from node.policy import handling

    return handling.words(said) if of_all or said != new({}) else ""


def changed(handling: "record_pb2.Handling", given: Mapping[str, Any]) -> "record_pb2.Handling":
    """The same with the scales that were given in the place of its own."""
    from dataclasses import replace

    from node.crisis import marks

    return marks.letter(replace(marks.read(handling), **given)) if given else handling
