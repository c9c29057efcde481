"""The documents say what the code does."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from node import config, limits
from node.cli import tool
from node.cli.main import tocsin
from node.feed.kinds import Kind
from node.feed.pae import Purpose
from node.protocol.session import ALLOWED

ROOT = Path(__file__).parent.parent
SPECIFICATION = (ROOT / "protos" / "README.md").read_text()


def test_the_specification_names_every_kind_by_its_number() -> None:
    for kind in Kind:
        assert re.search(rf"\|\s*{kind.value}\s*\|\s*`?{kind.name}`?\s*\|", SPECIFICATION), kind


def test_the_specification_names_every_purpose() -> None:
    for purpose in Purpose:
        assert f"`{purpose.value}`" in SPECIFICATION, purpose


def test_the_specification_names_every_frame() -> None:
    words = set(re.findall(r"\w+", SPECIFICATION.lower().replace("_", "")))
    for name in sorted(set().union(*ALLOWED.values())):
        assert {name.replace("_", ""), name.replace("_", "") + "proof"} & words, name


def test_the_limits_of_the_format_stand_in_the_specification() -> None:
    for number in (limits.HEADER_BYTES_MAX, limits.ITEMS_MAX, limits.CHUNK_BYTES, limits.PAYLOAD_BYTES_MAX):
        assert f"{number:,}" in SPECIFICATION or str(number) in SPECIFICATION, number


def test_the_tests_of_the_scenarios_are_there() -> None:
    for name, test in re.findall(r"`([\w/.]+\.py)::(\w+)`", (ROOT / "tests" / "README.md").read_text()):
        assert re.search(rf"^(async )?def {test}\(", (ROOT / "tests" / name).read_text(), re.MULTILINE), test


def test_what_protects_is_where_its_mutation_says_and_its_test_is_there() -> None:
    for one in tomllib.loads((ROOT / "tests" / "mutations.toml").read_text())["mutation"]:
        path, test = one["test"].partition("[")[0].split("::")
        assert (ROOT / one["file"]).read_text().count(one["line"]) == 1, one["about"]
        assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(), re.MULTILINE), test


def test_what_a_scenario_rests_on_names_its_row() -> None:
    rows = re.findall(r"^\| (.+?) \|", (ROOT / "tests" / "README.md").read_text(), re.MULTILINE)
    for one in tomllib.loads((ROOT / "tests" / "mutations.toml").read_text())["mutation"]:
        assert one.get("scenario", rows[0]) in rows, one["about"]


def test_the_readme_names_only_folders_and_scripts_that_are_there() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in re.findall(r"`((?:node|protos|tests|scripts|configs)/[\w/.]*)`", readme):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"scripts/(\w+)", readme):
        assert (ROOT / "scripts" / name).exists(), name


# ---- The duties of whoever runs a node: nothing is named that is not there

GUIDE = (ROOT / "configs" / "README.md").read_text()
DUTIES = re.findall(
    r"^\| (.*) \|$", GUIDE.partition("\n## Which duty is served by what\n")[2].partition("\n#")[0], re.MULTILINE
)
WORDS = {"review", "[operator: ...]", *tool.SCOPES}  # of advice, of marks in reports, and scopes


@pytest.mark.parametrize("row", DUTIES[2:], ids=lambda row: row.partition(":")[0])
def test_what_serves_a_duty_is_there(row: str) -> None:
    duty, served, tests, rest = row.split(" | ")
    assert duty
    assert rest
    for name in re.findall(r"`(.*?)`", served + rest):
        assert is_there(name), name
    for path, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests):
        assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(), re.MULTILINE), test
    assert tests == "-" or len(re.findall(r"`tests/[\w/]+\.py::\w+`", tests)) == tests.count("`") / 2


def test_every_duty_of_the_law_has_a_row() -> None:
    named = " ".join(row.partition(":")[0] for row in DUTIES[2:])
    for law in ("GDPR", "LED", "TCO Regulation", "Europol Regulation"):
        assert law in named
    assert len(DUTIES) > 20


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tocsin hold add --ground preservation --for 183d", True),
        ("tocsin hold add --ground whim", False),
        ("tocsin hold add --because", False),
        ("tocsin hold keep", False),
        ("tocsin answer", False),
        ("--allow-personal", True),
        ("--allow-everything", False),
        ("audit.justify", True),
        ("audit.reasons", False),
        ("configs/policies/europol.toml", True),
        ("configs/policies/interpol.toml", False),
        ("data/policy.toml", True),
        ("data/rules.toml", False),
        ("anything", False),
    ],
)
def test_a_name_that_is_dead_is_found(name: str, *, expected: bool) -> None:
    assert is_there(name) == expected


def is_there(name: str) -> bool:
    """Whether the guide may name it: a command as it is typed, an option, a setting, a file, or a word of its own."""
    if name.startswith("tocsin "):
        return _is_typed(shlex.split(name)[1:])
    if name.startswith("--"):
        return any(name in option.opts for command in _commands(tocsin) for option in command.params)
    if name.startswith("data/"):
        readme = (ROOT / "README.md").read_text()
        return f"`{name}`" in readme
    if "/" in name:
        return (ROOT / name).exists()
    return name in config.known_keys() or name in WORDS


def _is_typed(words: list[str]) -> bool:
    command: click.Command = tocsin
    while isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            break
        command, words = found, words[1:]
    if isinstance(command, click.Group) and (not command.invoke_without_command or words):
        return False
    return all(_takes(command, word, words[i + 1 : i + 2]) for i, word in enumerate(words) if word.startswith("--"))


def _takes(command: click.Command, word: str, value: list[str]) -> bool:
    for option in command.params:
        if word in option.opts:
            return not isinstance(option.type, click.Choice) or value[0] in option.type.choices
    return False


def _commands(group: click.Group) -> list[click.Command]:
    found: list[click.Command] = []
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        found += [command, *(_commands(command) if isinstance(command, click.Group) else [])]
    return found
