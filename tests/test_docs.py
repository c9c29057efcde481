"""The documents say what the code does."""

import re
import tomllib
from pathlib import Path

from node import limits
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
