"""What others wrote, on its way to a terminal and into a shell."""

import sys
from collections.abc import Sequence

import click
import pytest

from node.cli import completion, lists, lookup, printing, situation
from node.v1 import record_pb2, tools_pb2

STEERING = "\x1b[1G\x1b[2Kno match\n\u202e"


def is_plain(text: str) -> bool:
    return all(one.isprintable() for one in text)


def test_a_match_stays_on_its_line_whatever_its_author_wrote() -> None:
    match = tools_pb2.Match(
        list=f"a/{STEERING}", labels=[STEERING], advice=STEERING, reason=STEERING, item=STEERING, crisis=STEERING
    )
    said = lookup._line(match, "about.mp4")
    assert is_plain(said)
    assert said.startswith("MATCH a/")
    assert said.endswith("about.mp4")


def test_what_is_ignored_is_told_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    lookup.Count().ignore(tools_pb2.Match(item=STEERING, ignored_by=STEERING))
    assert is_plain(capsys.readouterr().err.removesuffix("\n"))


def test_an_order_of_anybody_is_shown_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    one = tools_pb2.OrderView(reference=STEERING, member_name="Ministry", channel=STEERING, state="paused", ground="x")
    printing.print_fields([("order", situation.order(one))])
    assert is_plain(capsys.readouterr().out.removesuffix("\n"))


@pytest.mark.parametrize(
    ("is_terminal", "shown"), [(False, "a = 1\n\t# \x9b2J\n"), (True, "a = 1\n        # \\x9b2J\n")]
)
def test_a_text_of_others_is_exact_in_a_pipe_and_steers_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool, shown: str
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    printing.print_document("a = 1\n\t# \x9b2J\n")
    assert capsys.readouterr().out == shown


def test_a_command_that_is_to_be_pasted_is_one_command_whatever_a_list_is_called() -> None:
    assert lists._opinions(tools_pb2.ListView(name="a/halle")) == "`tocsin opine list a/halle`"
    assert lists._opinions(tools_pb2.ListView(name="a/x;reboot")) == "`tocsin opine list 'a/x;reboot'`"


@pytest.mark.parametrize(
    ("advice", "exemptions", "shown"),
    [
        ("block", [], "block"),
        ("block", ["none-known"], "block"),
        ("block", ["news", "art"], "block; review, since it may also be news or art"),
        ("monitor", ["news"], "monitor"),
        ("", ["news"], "review, since it may also be news"),
    ],
)
def test_what_a_list_advises_has_beside_it_what_follows_where_that_is_less(
    advice: str, exemptions: list[str], shown: str
) -> None:
    assert lists._advice(record_pb2.HashList(advice=advice, exemptions=exemptions)) == shown


def test_a_shell_is_offered_plain_words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    named = [
        ("a/halle", STEERING),
        ("a/$(reboot)", ""),
        ("a/x;reboot", ""),
        ("a/x\nb", ""),
        ("a/two words", ""),
        ("b/x", ""),
    ]

    def asked(*_: object) -> Sequence[tuple[str, str]]:
        return named

    monkeypatch.setattr(completion, "_asked", asked)
    kind = completion.Name(lambda _: None)
    found = kind.shell_complete(click.Context(click.Command("list")), click.Argument(["name"]), "a/")
    assert [one.value for one in found] == ["a/halle"]
    assert is_plain(found[0].help or "")
