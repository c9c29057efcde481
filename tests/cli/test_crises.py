"""A duty officer at a terminal: an editor that opens again on what is missing, and a crisis that is watched."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from node.content.names import slug
from node.crisis.frameworks import Criterion
from node.policy.parameters import TEMPLATE
from tests.cli.terminal import Terminal
from tests.federation import GUARD_S, Node, environment, federation, program
from tests.test_crises import GRAVE, OCRF, introduced, sees

NAMES = [one.name for one in OCRF.framework.criteria]
BEFORE = '[[frameworks]]\nname = "eu-ocrf"\nversion = "2025-12"\n\n'
HOUR_MS = 3_600_000
EDITOR = """\
#!/bin/sh
if grep -q "# >>> it may last" "$1"; then
    cp "$1" "$0.refused"
    sed -i 's/^lasts = .*/lasts = "48h"/' "$1"
elif grep -q "# >>>" "$1"; then
    cp "$1" "$0.marked"
    sed -i 's/^answer = ""/answer = "yes"/; s/^harm = .*/harm = "high"/; s/^virality = .*/virality = "high"/' "$1"
else
    cp "$1" "$0.first"
    sed -i 's/^kind = .*/kind = "shooting"/; s/^function = .*/function = "Situation centre"/' "$1"
    sed -i 's/^lasts = .*/lasts = "999h"/' "$1"
fi
"""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Node]]:
    """Two authorities under the framework as it is shipped, criteria and all; and under one of before, with nothing."""
    text = TEMPLATE.replace("default_hours = 48", "default_hours = 36").replace(
        "[vocabularies]", f"{BEFORE}[vocabularies]"
    )
    with federation(tmp_path_factory.mktemp("c"), 2, text=text) as running:
        introduced(running)
        yield running


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "editor"
    path.write_text(EDITOR)
    path.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(path))
    return path


def above(path: Path, line: str) -> list[str]:
    """The marks right above a line of a file that the editor was given."""
    lines = path.read_text().splitlines()
    place = lines.index(line)
    found = []
    while lines[place - 1].startswith("# >>> "):
        place -= 1
        found.append(lines[place].removeprefix("# >>> "))
    return found[::-1]


def test_the_editor_asks_the_frameworks_questions_and_opens_again_on_each_that_is_missing_and_on_what_the_node_refuses(
    nodes: Sequence[Node], editor: Path
) -> None:
    first, second = nodes
    said = ("--framework", "eu-ocrf", "--title", "Shooting, livestream", "--place", "DE-ST", "--town", "Halle")
    marked = ("--pap", "green", "--handling", "H1")
    with Terminal("crisis", "declare", *said, *marked, "--edit", "--folder", str(first.folder)) as terminal:
        terminal.expect(r"criteria\.cross-border: criterion 6 \(cross-border\) is missing")
        terminal.expect("Edit it again")
        terminal.type("")
        terminal.expect(r"DECLARE to all members \(2\), ends [^.]*\. Not an exercise\.")
        terminal.expect(r"Marked TLP:GREEN, H1, PAP:GREEN\.\s+H1: not in court [^:]*\s+PAP:GREEN: what is done")
        terminal.expect(r"It is proposed, and active once 1 of [a-z ]+ has co-signed it\.")
        terminal.expect("Type the place to confirm")
        terminal.type("halle")
        terminal.expect("it may last 168 hours at most")
        terminal.expect("Edit it again")
        terminal.type("")
        terminal.expect("Type the place to confirm")
        terminal.type("halle")
        reference = terminal.expect(r"(c-\w+)  Shooting, livestream  proposed: co-signatures: 0 of 1, ends")[1]
        code = terminal.expect(r"call-back code (\d{3} \d{3})")[1]
        terminal.expect("Ctrl-C leaves; what was said is out either way")
        terminal.expect(r"co-signed +0 of 1")
        terminal.expect(r"delivered 1/1 in \d+\.\d s; seen 0")
        second.cli("crisis", "acknowledge", reference)
        second.cli("crisis", "cosign", reference, "--code", code, "--yes")
        terminal.expect("seen 1")
        terminal.expect("Ministry B: co-signed, after a call")
    opened = editor.with_name("editor.first").read_text()
    assert all(f"[criteria.{name}]" in opened and one.wording in opened for name, one in _questions())
    edited = editor.with_name("editor.marked")
    for number, name in enumerate(NAMES, 1):
        assert above(edited, f"[criteria.{name}]") == [f"criterion {number} ({name}) is missing"]
    assert above(edited, 'harm = ""') == ["harm is missing"]
    assert "it may last 168 hours at most" in above(editor.with_name("editor.refused"), 'lasts = "999h"')
    found = first.json("crisis", "show", reference)
    assert [one["answer"] for one in found["crisis"]["criteria"]] == [1] * len(NAMES)
    assert (found["crisis"]["event"]["place_name"], found["state"]) == ("Halle", "active")


def test_what_was_written_is_not_lost_and_an_editor_that_was_begun_without_a_framework_asks_its_questions(
    nodes: Sequence[Node], editor: Path
) -> None:
    first, _ = nodes
    with Terminal(
        "crisis", "declare", "--title", "Written at night", "--edit", "--folder", str(first.folder)
    ) as terminal:
        terminal.expect("Edit it again")
        terminal.type("n")
        path = Path(terminal.expect(r"What you wrote is in (\S+); `tocsin crisis declare --file (\S+) --edit`")[1])
        assert terminal.end() == 1
    written = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    assert 'title = "Written at night"' in written
    assert 'framework = "eu-ocrf"' in written, "the only one in force"
    assert 'kind = "shooting"' in written, "what the editor changed"
    editor.write_text("#!/bin/sh\nsed -i '/^\\[criteria/,$d' \"$1\"\n")  # as if its questions had not been there
    with Terminal("crisis", "declare", "--title", "Asked later", "--edit", "--folder", str(first.folder)) as terminal:
        terminal.expect("Edit it again")
        editor.write_text(f'#!/bin/sh\ncp "$1" {editor}.again\nexit 1\n')
        terminal.type("")
        terminal.expect("What you wrote is in")
        terminal.end()
    again = editor.with_name("editor.again").read_text()
    assert all(f"[criteria.{name}]" in again for name in NAMES)


def _questions() -> list[tuple[str, Criterion]]:
    return [(one.name, one) for one in OCRF.framework.criteria]


def test_a_file_is_refused_at_each_key_with_its_name_and_declared_as_toml_and_as_json(
    nodes: Sequence[Node], tmp_path: Path
) -> None:
    first, _ = nodes
    toml, as_json = tmp_path / "halle.toml", tmp_path / "halle.json"
    toml.write_text(first.cli("crisis", "template", "eu-ocrf").stdout)
    done = first.cli("crisis", "declare", "--file", str(toml), "--yes", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{toml}: title: title is missing" in done.stderr
    assert "criteria.cross-border: criterion 6 (cross-border) is missing" in done.stderr
    said = {
        "title": "Shooting",
        "framework": "eu-ocrf",
        "kind": "shooting",
        "places": ["DE-ST"],
        "harm": "high",
        "virality": "high",
        "lasts": "999h",
        "lead": {"function": "Situation centre"},
        "criteria": {name: {"answer": "yes"} for name in NAMES},
    }
    as_json.write_text(json.dumps(said))
    refused = first.cli("crisis", "declare", "--file", str(as_json), "--yes", check=False)
    assert f"{as_json}: lasts: it may last 168 hours at most" in refused.stderr
    made = first.cli("crisis", "declare", "--file", str(as_json), "--for", "2h", "--yes", "--again", "--json")
    reference = json.loads(made.stdout)["reference"]
    toml.write_text(first.cli("crisis", "update", reference, "--text").stdout.replace('"Shooting"', '"Shooting 2"'))
    again = first.cli("crisis", "declare", "--file", str(toml), "--yes", "--json")
    assert json.loads(again.stdout)["crisis"]["criteria"] == json.loads(made.stdout)["crisis"]["criteria"]
    assert "no framework 'none'" in first.cli("crisis", "template", "none", check=False).stderr


def test_the_newest_version_is_declared_under_unless_another_is_named_and_its_default_is_the_end_if_nobody_says_one(
    nodes: Sequence[Node], tmp_path: Path
) -> None:
    first, _ = nodes

    def made(verb: str, *said: str) -> tuple[str, str, int]:
        answer = first.cli("crisis", verb, *said, "--place", "FR", "--yes", "--again", "--json")
        found = json.loads(answer.stdout)
        under, lasts_ms = found["crisis"]["framework"], found["crisis"]["ends_ms"] - found["declared_ms"]
        return under["version"], under["sha256"], round(lasts_ms / HOUR_MS)

    newest, before = ("2026-03", OCRF.sha256.hex(), 48), ("2025-12", "", 36)
    titled = ("--title", "Which version", "--framework")
    assert made("declare", *titled, "eu-ocrf", *GRAVE) == newest
    assert made("declare", *titled, "eu-ocrf@2026-03", *GRAVE) == newest
    assert made("declare", *titled, "eu-ocrf@2025-12") == before
    warned = first.cli("crisis", "alert", *titled, "eu-ocrf@2025-12", "--place", "FR", "--for", "6h", "--yes", "--json")
    alert = json.loads(warned.stdout)["reference"]
    assert made("promote", alert, "--framework", "eu-ocrf", *GRAVE) == newest
    assert made("promote", alert, "--framework", "eu-ocrf@2025-12") == before
    file = tmp_path / "before.json"
    file.write_text(json.dumps({"title": "By a file", "framework": "eu-ocrf", "version": "2025-12", "places": ["FR"]}))
    assert made("declare", "--file", str(file)) == before
    written = first.cli("crisis", "template", "eu-ocrf@2025-12").stdout
    assert 'version = "2025-12"' in written
    assert "[criteria" not in written
    shown = [first.cli("framework", "show", f"eu-ocrf{version}").stdout for version in ("", "@2025-12")]
    assert [one.split("  ")[0] for one in shown] == ["eu-ocrf 2026-03", "eu-ocrf 2025-12"]
    assert "Mind: eu-ocrf 2025-12 has no document" in first.cli("framework", "list").stdout
    other = (*titled, "eu-ocrf@2020", "--place", "FR", "--yes", "--again")
    assert "no framework 'eu-ocrf' of version 2020" in first.cli("crisis", "declare", *other, check=False).stderr
    asked = (*titled, "eu-ocrf", *GRAVE, "--place", "FR", "--again", "--folder", str(first.folder))
    with Terminal("crisis", "declare", *asked) as terminal:
        terminal.expect(r"ends [^(]*\(48 h, the default of eu-ocrf\)\. Not an exercise")
        terminal.expect("to confirm")


@pytest.mark.parametrize("colour", [True, False])
def test_a_crisis_is_watched_over_a_restart_and_only_what_changes_is_drawn(
    nodes: Sequence[Node], monkeypatch: pytest.MonkeyPatch, *, colour: bool
) -> None:
    first, second = nodes
    monkeypatch.setenv("TERM", "xterm-256color")
    drill = ("--framework", "eu-ocrf", "--title", f"Drill {colour}", "--place", "FR", "--for", "12h", "--exercise")
    made = first.cli("crisis", "declare", *drill, *GRAVE, "--yes", "--json")
    reference = json.loads(made.stdout)["reference"]
    sees(nodes, reference, state="proposed")
    with Terminal("crisis", "watch", reference, "--folder", str(second.folder), colour=colour) as terminal:
        terminal.expect(r"NOT VERIFIED: it says that harm is high")
        terminal.expect(rf"{reference}  EXERCISE Drill {colour}  proposed")
        terminal.expect(r"takes part +2 no answer")
        drawn = terminal.shown.count("EXERCISE Drill")
        first.cli("crisis", "comment", reference, "a first word")
        terminal.expect("Ministry A: says: a first word")
        assert terminal.shown.count("EXERCISE Drill") - drawn <= 4, "it is drawn again only where something changed"
        second.stop()
        terminal.expect("The node does not answer; waiting until it does")
        second.start()
        first.cli("crisis", "comment", reference, "a second word")
        terminal.expect("Ministry A: says: a second word")
    cyan = re.findall(r"\x1b\[(?:1;)?36m[^\x1b]*EXERCISE", terminal.shown)
    assert bool(cyan) == colour
    assert not re.search(r"\x1b\[[\d;]*3[13]m[^\x1b]*EXERCISE", terminal.shown), "a drill is never red"


def test_without_a_terminal_every_change_is_a_line_and_a_threat_to_life_is_first(nodes: Sequence[Node]) -> None:
    first, second = nodes
    warned = ("--title", "Threat to a school", "--place", "DE", "--for", "6h")
    told = ("--told", "DE", "--channel", "PERCI", "--number", "2026-118", "--yes", "--json")
    reference = json.loads(first.cli("crisis", "alert", *warned, *told).stdout)["reference"]
    sees(nodes, reference, state="alert")
    with second.command("crisis", "watch", reference) as watching:
        watching.output.until(lambda line: "IMMINENT THREAT TO LIFE: DE was told by PERCI, number 2026-118" in line)
        watching.output.until(lambda line: "NOT VERIFIED: life is said to be threatened" in line)
        watching.output.until(lambda line: "alert, NOT VERIFIED, ends" in line)
        watching.output.until(lambda line: "delivered 1/1" in line)
        second.cli("crisis", "acknowledge", reference)
        watching.output.until(lambda line: "seen 1" in line)
        second.cli("crisis", "dispute", reference, "an old message")
        watching.output.until(lambda line: "Ministry B: DISPUTES it: an old message" in line)
        assert watching.interrupt() == 0
    assert second.cli("crisis", "show", reference).stdout.startswith("IMMINENT THREAT TO LIFE: ")
    with second.command("crisis", "watch", reference, "--json") as watching:
        found = json.loads(watching.output.until(lambda _: True))
        assert (found["reached"]["delivered"], found["reached"]["seen"]) == (1, 1)
        assert [one["member_name"] for one in found["disputes"]] == ["Ministry B"]
        assert watching.interrupt() == 0
    wrong = first.cli("crisis", "alert", *warned, "--told", "DE", "--yes", check=False)
    assert "by which channel" in wrong.stderr


def test_whoever_called_is_named_with_the_time_and_it_is_told_to_nobody(nodes: Sequence[Node]) -> None:
    first, second = nodes
    said = ("--framework", "eu-ocrf", "--title", "Called", "--place", "FR", "--for", "2h")
    done = first.cli("crisis", "declare", *said, *GRAVE, "--yes").stdout
    reference = done.split()[0]
    code = re.search(r"call-back code (\d{3} \d{3})", done)
    assert code
    sees(nodes, reference, state="proposed")
    assert f"{reference}  Called  proposed: co-signatures: 0 of 1, NOT VERIFIED, ends" in (
        second.cli("crisis", "show", reference).stdout
    )
    second.cli("crisis", "verify", reference, "--code", code[1])
    shown = second.cli("crisis", "show", reference).stdout
    assert "NOT VERIFIED" not in shown
    assert re.search(r"verified +by administrator, 20\d\d-", shown)
    assert first.json("crisis", "show", reference)["verified_ms"] == 0
    told = first.cli("crisis", "extend", reference, "--for", "4h", "--yes").stdout
    later = re.search(r"call-back code (\d{3} \d{3})", told)
    assert later, "what is proposed then has a code of its own"
    assert later[1] != code[1]


def test_a_list_is_said_in_the_words_of_the_rules_and_what_may_be_news_is_for_review(
    nodes: Sequence[Node], tmp_path: Path
) -> None:
    first, second = nodes
    path = tmp_path / "halle.txt"
    path.write_text(f"{sha256(b'footage').hexdigest()}\n")
    asked = first.cli("list", "publish", path, "--label", "footage", check=False)
    assert asked.returncode == 1
    assert "the rules have no label 'footage'\n  Give --label with one of attack-footage, livestream" in asked.stderr
    words = ("--label", "attack-footage", "--exemption", "news")
    asked = first.cli("list", "publish", path, *words, check=False)
    assert "nothing says why what is in halle is what its labels say\n  Say it with --ground" in asked.stderr
    first.cli("list", "publish", path, *words, "--ground", "streamed by the attacker", "--advice", "block", "--wait")
    second.cli("list", "follow", f"{slug(first.name)}/halle")
    shown = second.cli("list", "show", f"{slug(first.name)}/halle").stdout
    assert re.search(r"ground +streamed by the attacker", shown)
    assert re.search(r"exemptions +news", shown)
    assert re.search(r"advice +block; review, since it may also be news\n", shown)
    tried = second.cli("list", "preview", f"{slug(first.name)}/halle", "--sample", path).stdout
    assert "All of it is for review only: may also be news" in tried
    found = second.cli("lookup", sha256(b"footage").hexdigest()).stdout
    assert "advice: review (may also be news)" in found
    exported = second.cli("list", "export", f"{slug(first.name)}/halle", "--format", "csv").stdout
    assert ",attack-footage,review," in exported


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("list publish {} --label a", "attack-footage"),
        ("list publish {} --exemption a", "art"),
        ("crisis declare {} --to a", "authority"),
        ("crisis hand-over {} c-4k7q ministry-b", "ministry-b"),
        ("crisis template {} eu-ocrf@2026", "eu-ocrf@2026-03"),
        ("crisis comment {} c-4k7q c", ""),
    ],
)
def test_names_and_the_words_of_the_rules_are_completed(nodes: Sequence[Node], typed: str, expected: str) -> None:
    words = f"tocsin {typed.format(f'--folder {nodes[0].folder}')}"
    asked = environment() | {
        "_TOCSIN_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    for _ in range(10 if expected else 1):  # what the node does not say at once is not offered
        done = subprocess.run(program(), capture_output=True, text=True, check=True, env=asked, timeout=GUARD_S)
        if done.stdout.strip():
            break
    assert done.stdout.strip() == (f"plain,{expected}" if expected else "")
