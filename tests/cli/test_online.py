"""The commands that ask a running node, as their users type them, with two real daemons."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from node.cli import printing, times
from node.cli.main import tocsin
from node.v1 import record_pb2, tools_pb2
from tests.cli.terminal import Terminal
from tests.federation import Node, Result, environment, federation, make, program

DAY_MS = 86_400_000
DECLARE = ("crisis", "declare", "--framework", "eu-ocrf", "--place", "DE-ST", "--title")
BY_PEOPLE = r"20\d\d-\d\d-\d\d \d\d:\d\d (?:UTC|\(\d\d:\d\d UTC\))"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Node]]:
    """Two members that have approved each other."""
    with federation(tmp_path_factory.mktemp("f"), 2) as running:
        first, second = running
        added = first.cli("peer", "add", "--founders", "--yes", "--no-wait")
        assert added.stdout == f"{second.name}  {second.made.fingerprint}\n1 approved\n"
        connected = second.cli("peer", "add", "--founders", "--yes")
        assert connected.stdout == f"{first.name}  {first.made.fingerprint}\n1 approved; 1 connected\n"
        yield running


@pytest.fixture
def first(nodes: Sequence[Node]) -> Node:
    return nodes[0]


@pytest.fixture
def second(nodes: Sequence[Node]) -> Node:
    return nodes[1]


def digest_of(number: int) -> str:
    return sha256(number.to_bytes(4)).hexdigest()


def refused(done: Result, code: int, *reasons: str) -> None:
    """The reason and the next step on stderr, nothing on stdout."""
    assert done.returncode == code, done
    assert not done.stdout
    head, *more = done.stderr.splitlines()
    assert head.startswith("tocsin: ")
    assert more
    for reason in reasons:
        assert reason in done.stderr


def misused(done: Result, reason: str) -> None:
    assert done.returncode == 2, done
    assert reason in done.stderr
    assert "Usage: " in done.stderr


# ---- The node and its peers


def test_status_says_the_charter_the_peers_and_the_clock_first(first: Node) -> None:
    line, *more = first.cli("status").stdout.splitlines()
    assert re.fullmatch(r"charter in force \(2 of 2\), 1 peer, in step( with 0 of 1)?, clock [+]0\.\d s", line), line
    fields = dict(re.split(r" {2,}", each.strip(), maxsplit=1) for each in more)
    assert fields["member"] == f"{first.name}, authority, {first.made.fingerprint}"
    assert fields["listens"] == f"peers {first.config.peers_listen}, tools {first.config.tools_listen}"
    assert re.fullmatch(f"until {BY_PEOPLE}, renewed before by itself", fields["certificate"])
    assert "index digest" not in fields
    assert "index digest" in first.cli("status", "--index-digest").stdout


def test_status_for_programs_has_the_names_of_the_protocol(first: Node) -> None:
    found = first.json("status")
    assert found["member_id"] == first.made.card.inception.member_id.hex()
    assert (found["role"], found["accepted"], found["peers_connected"]) == ("authority", 2, 1)
    assert found["certificate_ends_ms"] > found["started_ms"]
    assert isinstance(found["lists"], int)


def test_members_are_listed_with_who_is_a_peer(first: Node, second: Node) -> None:
    heading, own, other = first.cli("member").stdout.splitlines()
    assert heading.split() == ["name", "role", "country", "fingerprint", "standing", "peer"]
    assert re.split(r" {2,}", own) == [first.name, "authority", "FR", first.made.fingerprint, "member", "this node"]
    assert re.split(r" {2,}", other) == [
        second.name,
        "authority",
        "DE",
        second.made.fingerprint,
        "member",
        "approved",
    ]
    assert [(one["name"], one["role"], one["own"]) for one in second.json("member")] == [
        (first.name, "authority", False),
        (second.name, "authority", True),
    ]


def test_peers_are_listed_and_shown_by_whatever_names_them(first: Node, second: Node) -> None:
    row = first.cli("peer", "list").stdout.splitlines()[1]
    assert row.startswith(
        f"{second.name}  authority  {second.made.fingerprint}  {second.config.peers_listen}  approved  "
    )
    (listed,) = first.json("peer", "list")
    for name in ("ministry-b", second.name, second.made.fingerprint, second.made.fingerprint[:5], listed["member_id"]):
        shown = first.json("peer", "show", name)
        assert (shown["member_id"], shown["connected"]) == (listed["member_id"], True)
    assert re.search(r"connection +(connected|in step)\n", first.cli("peer", "show", "ministry-b").stdout)
    refused(first.cli("peer", "show", "nobody", check=False), 1, "there is no peer 'nobody'", "There is ministry-b.")


def test_a_peer_is_blocked_removed_and_added_again_by_its_card(first: Node, second: Node) -> None:
    misused(first.cli("peer", "block", "ministry-b", check=False), f"Block {second.name}, {second.made.fingerprint}?")
    blocked = first.cli("peer", "block", "ministry-b", "--yes").stdout
    assert re.fullmatch(rf"Blocked {second.name}; \d streams? ended\.\n", blocked)
    assert first.json("peer", "show", "ministry-b")["state"] == "blocked"
    left = first.cli("peer", "add", "--founders", "--yes").stdout
    assert left.splitlines() == [
        f"{second.name} is blocked here and stays so; its card file unblocks it.",
        "No founder is left to approve.",
    ]
    card = second.made.card_path
    misused(first.cli("peer", "add", card, check=False), "There is no terminal to type the end of")
    assert first.cli("peer", "add", card, "--yes").stdout.endswith("1 approved; 1 connected\n")
    assert first.cli("peer", "remove", "ministry-b", "--yes").stdout.startswith(f"Removed {second.name}; ")
    assert first.json("peer", "list") == []
    with Terminal("peer", "add", str(card), "--folder", str(first.folder)) as terminal:
        terminal.expect(r"\?{5}  last five characters")
        terminal.type(second.made.fingerprint[-5:])
        terminal.expect("1 approved; 1 connected")
        assert terminal.end() == 0


def test_what_cannot_be_a_peer_is_refused(first: Node, tmp_path: Path) -> None:
    misused(first.cli("peer", "add", check=False), "Give --founders, or card files.")
    misused(first.cli("peer", "add", "x.card", "--founders", check=False), "Give --founders, or card files.")
    refused(first.cli("peer", "add", tmp_path / "no.card", "--yes", check=False), 3, "cannot be read")
    own = first.cli("peer", "add", first.made.card_path, "--yes", check=False)
    assert own.returncode == 1
    assert "this is our own card" in own.stderr


# ---- Crises


def test_a_crisis_is_declared_seen_by_the_other_member_and_ended(first: Node, second: Node) -> None:
    with second.command("watch", "--kind", "declaration", "--kind", "crisis_act") as watching:
        watching.errors.until(lambda line: "Watching" in line)
        declared = first.cli(*DECLARE, "Shooting, livestream", "--harm", "high", "--for", "48h", "--yes").stdout
        line, code, hint = declared.splitlines()
        reference = line.split()[0]
        assert re.fullmatch(rf"c-\w+  Shooting, livestream  active, ends {BY_PEOPLE}", line)
        assert re.fullmatch(r"call-back code \d{3} \d{3}, for whoever calls to make sure", code)
        assert hint == f"`tocsin crisis end {reference}` ends it before its time."
        shown = watching.output.until(lambda line: "DECLARATION" in line)
        told = r"\(DE-ST, harm high\) NOT VERIFIED \(it says that harm is high, it is the first of Ministry A here\)"
        assert re.search(rf"{reference} Shooting, livestream {told} by {first.name}, ends {BY_PEOPLE}$", shown), shown

        second.until(lambda found: found and found[0]["reference"] == reference, "crisis", "list")
        assert f"\n{reference} " in second.cli("crisis", "list").stdout
        found = second.json("crisis", "show", reference)
        assert (found["state"], found["crisis"]["harm"], found["crisis"]["event"]["places"]) == ("active", 3, ["DE-ST"])
        assert found["crisis"]["framework"] == {"name": "eu-ocrf", "version": "1", "sha256": ""}
        assert abs(found["ends_ms"] - found["declared_ms"] - 2 * DAY_MS) < 60_000

        refused(
            second.cli("crisis", "end", reference, "--yes", check=False),
            1,
            "only Ministry A and its deputies can have it ended",
        )
        misused(first.cli("crisis", "end", reference, check=False), "Give --yes if so.")
        ended = first.cli("crisis", "end", reference, "--text", "over", "--yes").stdout
        assert re.fullmatch(
            rf"{reference}  Shooting, livestream  ended {BY_PEOPLE}\n.*crisis review.*crisis close.*\n", ended
        )
        assert f"CRISIS {reference} {first.name}: ends it: over" in watching.output.until(lambda line: "CRISIS" in line)
        second.until(lambda found: found["state"] == "ended", "crisis", "show", reference)
        assert watching.interrupt() == 0


def test_a_drill_stands_apart(first: Node) -> None:
    line = first.cli(*DECLARE, "Drill 7", "--for", "2h", "--exercise", "--yes").stdout.splitlines()[0]
    assert "  EXERCISE Drill 7  " in line
    assert "Drill 7" not in first.cli("crisis", "list").stdout
    assert "EXERCISE Drill 7" in first.cli("crisis", "list", "--exercises").stdout


def test_on_a_terminal_the_titles_first_word_confirms(first: Node) -> None:
    place = ("--folder", str(first.folder))
    with Terminal(*DECLARE, "Bombing, again", "--until", "2099-01-01T00:00Z", *place) as terminal:
        terminal.expect(r"DECLARE to all members \(2\), ends 2099-01-01")
        terminal.expect(r"Not an exercise\.")
        terminal.expect("Nobody has to co-sign it: it is in effect wherever it comes")
        for typed in ("y", "", "again"):
            terminal.expect("first word to confirm")
            terminal.type(typed)
        terminal.expect("nothing was declared")
        assert terminal.end() == 1
    with Terminal(*DECLARE, "Bombing, again", "--for", "1h", "--exercise", *place) as terminal:
        terminal.expect(r"An EXERCISE\.")
        terminal.expect("first word to confirm")
        terminal.type("bombing")
        terminal.expect(r"c-\w+  EXERCISE Bombing, again")
        terminal.expect("Ctrl-C leaves; what was said is out either way")
        terminal.expect("takes part")
        terminal.press("\x03")
        assert terminal.end() == 0


def test_a_duty_officer_declares_on_a_terminal_of_another_machine_by_what_the_guide_says(
    first: Node, tmp_path: Path
) -> None:
    bundle = tmp_path / "anna.pem"
    first.cli("tool", "issue", "anna", "--person", "--scope", "read", "--scope", "declare", "--output", bundle)
    place = ("--as", str(bundle), "--node", first.config.tools_listen)
    with Terminal(*DECLARE, "From another machine", "--for", "1h", "--exercise", *place) as terminal:
        terminal.expect(r"From another machine \(eu-ocrf, DE-ST\)")
        terminal.expect(r"DECLARE to all members \(2\)")
        terminal.expect("first word to confirm")
        terminal.type("from")
        terminal.expect(r"c-\w+  EXERCISE From another machine")
        terminal.expect("Ctrl-C leaves")
        terminal.expect("takes part")
        terminal.press("\x03")
        assert terminal.end() == 0


def test_a_declaration_that_cannot_be_is_refused(first: Node) -> None:
    alert = ("crisis", "alert", "--place", "FR", "--title", "x", "--yes")
    misused(first.cli(*alert, check=False), "A crisis has an end")
    misused(first.cli(*DECLARE, "x", "--for", "1h", check=False), "Give --yes if so.")
    refused(first.cli(*DECLARE, "x", "--for", "400d", "--yes", check=False), 1, "336 hours at most")
    unknown = ("crisis", "declare", "--framework", "none", "--place", "FR", "--title", "x", "--for", "1h", "--yes")
    refused(first.cli(*unknown, check=False), 1, "no framework 'none'", "Use one of eu-ocrf.")


# ---- Looking digests up


def publish(node: Node, path: Path, *arguments: str) -> str:
    return node.cli("list", "publish", path, *arguments).stdout


def test_digests_of_a_file_are_looked_up_in_batches(second: Node, first: Node, tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_text("".join(f"{digest_of(i)}\n" for i in range(20_000, 22_000)))
    with second.command("subscribe", "many", "--kind", "items") as subscribed:
        publish(first, path)
        subscribed.output.until(lambda line: digest_of(21_999) in line)
    second.until(lambda found: found["items"] == 2000, "list", "show", "ministry-a/many")
    asked = tmp_path / "asked.txt"
    asked.write_text("".join(f"{digest_of(i)}  film-{i}.mp4\n" for i in range(19_000, 23_000)))
    done = second.cli("lookup", "--from", asked, "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["line"] for one in found] == list(range(1001, 3001))
    assert {one["value"] for one in found} == {digest_of(i) for i in range(20_000, 22_000)}
    assert done.stderr == "2,000 of 4,000 match\n"
    piped = second.cli("lookup", "--from", "-", input=f"# two\n{digest_of(0)[:9]}\n{digest_of(20_000)}\n", check=False)
    assert piped.returncode == 2, "what could not be read might have matched"
    assert piped.stdout.startswith("MATCH ministry-a/many  advice: review  until ")
    assert "stdin:2: no kind of hash has 9 characters" in piped.stderr


def test_a_look_up_exits_as_grep_does(first: Node, tmp_path: Path) -> None:
    none = first.cli("lookup", digest_of(77_777), check=False)
    assert (none.returncode, none.stdout) == (1, "no match\n")
    assert first.cli("lookup", digest_of(77_777), "--json", check=False).stdout == "[]\n"
    misused(first.cli("lookup", "abc", check=False), "no kind of hash has 3 characters")
    misused(first.cli("lookup", digest_of(1), "--kind", "md5", check=False), "md5 needs 32 hex digits, got 64")
    misused(first.cli("lookup", check=False), "Give values, or --from FILE, or --file MEDIA.")
    refused(first.cli("lookup", "--from", tmp_path / "no", check=False), 2, "cannot be read")


def test_a_match_that_nobody_reads_is_an_error(first: Node, tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text(digest_of(66_666))
    publish(first, path)
    near, far = os.pipe()
    os.close(near)
    command = program("lookup", digest_of(66_666), "--folder", str(first.folder))
    done = subprocess.run(command, stdout=far, stderr=subprocess.PIPE, env=environment(), check=False)
    os.close(far)
    assert (done.returncode, done.stderr) == (2, b""), "1 would say that there is none"


# ---- What arrives


def test_a_subscription_goes_on_behind_what_it_acknowledged(first: Node) -> None:
    def declare(title: str) -> str:
        entry: str = first.json(*DECLARE, title, "--for", "1h", "--exercise", "--yes", "--again")["entry"]
        return entry

    wanted = declare("Drill to be acknowledged")
    arguments = ("subscribe", "a-script", "--kind", "declaration")
    for extra in ((), ("--ack",)):  # what was not acknowledged comes again
        with first.command(*arguments, *extra) as subscribed:
            line = json.loads(subscribed.output.until(lambda line: wanted in line))
            assert (line["event"], line["kind"], line["exercise"]) == ("received", "declaration", True)
            assert line["record"]["crisis"]["title"] == "Drill to be acknowledged"
            subscribed.output.until(lambda line: "caught_up" in line)
            later = declare("Drill that says the last acknowledgement is done")
            subscribed.output.until(lambda line, later=later: later in line)  # type: ignore[misc]
            assert subscribed.interrupt() == 0
    with first.command(*arguments, "--ack") as subscribed:
        subscribed.output.until(lambda line: "caught_up" in line)
        assert subscribed.interrupt() == 0
        assert not any(wanted in line for line in subscribed.output.end())


def test_a_watch_shows_governance_and_all_that_was_here(second: Node) -> None:
    with second.command("watch", "--from-start") as watching:
        watching.errors.until(lambda line: "Watching" in line)
        assert watching.interrupt() == 0
        shown = watching.output.end()
    for kind in ("ACCEPT", "NODE", "OPEN"):
        for name in ("Ministry A", "Ministry B"):
            assert any(re.fullmatch(rf"{BY_PEOPLE}  {kind} by {name}\n", line) for line in shown), shown


def test_a_watch_goes_on_when_the_node_restarts(second: Node) -> None:
    with second.command("watch", "--json", "--kind", "declaration") as watching:
        watching.output.until(lambda line: "caught_up" in line)
        assert second.stop() == 0
        second.start()
        entry = second.json(*DECLARE, "Drill after a restart", "--for", "1h", "--exercise", "--yes")["entry"]
        watching.output.until(lambda line: entry in line)
        assert watching.interrupt() == 0


# ---- Where there is no node


def test_a_node_that_does_not_run_is_named_with_how_to_start_it(nodes: Sequence[Node], tmp_path: Path) -> None:
    (alone,) = make(tmp_path / "alone", 1)
    start = f"tocsin run --folder {alone.folder}"
    for command in (("status",), ("member",), ("peer", "list"), ("crisis", "list"), ("list",), ("watch",)):
        refused(alone.cli(*command, check=False), 4, f"the node of {alone.folder} is not running", start)
    refused(alone.cli("lookup", digest_of(1), check=False), 2, "is not running", start)
    alone.start()
    assert alone.kill() != 0
    assert alone.config.socket.exists(), "a socket without a node is left where one was killed"
    refused(alone.cli("status", check=False), 4, "is not running", start)


def test_a_folder_that_has_not_joined_is_named(tmp_path: Path) -> None:
    (alone,) = make(tmp_path, 1)
    (alone.config.data_folder / "charter.tocsin").unlink()
    refused(alone.cli("status", check=False), 3, "has not joined a federation", "tocsin join")


# ---- The frame


def test_no_command_loads_the_database_or_the_daemons_log(first: Node, tmp_path: Path) -> None:
    path = tmp_path / "light.txt"
    path.write_text(digest_of(1))
    commands = [
        ["status"],
        ["peer", "list"],
        ["peer", "add", "--founders", "--yes"],
        ["crisis", "list"],
        [*DECLARE, "Drill", "--for", "1h", "--exercise", "--yes"],
        ["list"],
        ["list", "publish", str(path)],
        ["lookup", digest_of(1)],
    ]
    program = f"""
import sys
from node.cli.main import tocsin
for command in {commands!r}:
    try:
        tocsin([*command, "--folder", {str(first.folder)!r}], prog_name="tocsin")
    except SystemExit as left:
        assert not left.code, command
    loaded = [name for name in ("sqlalchemy", "structlog", "aiosqlite") if name in sys.modules]
    assert not loaded, (command, loaded)
import node.client, node.cli.watch
assert "sqlalchemy" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_others_wrote_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\x1b[2J\u202e\nMATCH"
    printing.print_table(("name",), [(evil,)])
    printing.print_fields([("name", evil)])
    printing.print_json(evil)
    printing.print_json_line([evil])
    table, fields, *documents = capsys.readouterr().out.removeprefix("name\n").splitlines()
    assert table == r"a\x1b[2J\u202e\nMATCH"
    assert fields.split(maxsplit=1)[1] == table
    assert [json.loads(one) for one in documents] == [evil, [evil]]
    assert all(line.isascii() and line.isprintable() for line in documents)
    assert len(printing.shortened("x" * 500)) == 80


def test_on_a_narrow_terminal_what_is_to_be_copied_stays_whole(
    first: Node, second: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    with Terminal("peer", "list", "--folder", str(first.folder)) as terminal:
        assert terminal.end() == 0
    assert second.made.fingerprint in terminal.shown
    assert second.config.peers_listen in terminal.shown


def test_a_letter_for_programs_has_all_its_fields() -> None:
    act = record_pb2.CrisisAct(entry=b"\x01", situation=record_pb2.Situation(counts={"copies": 7}))
    assert printing.fields_of(act) == {
        "entry": "01",
        "situation": {"text": "", "counts": {"copies": 7}},
        "known": [],
        "reason": 0,
    }
    view = printing.fields_of(tools_pb2.CrisisView(crisis=record_pb2.Crisis(linked=[b"\xff"])))
    assert (view["reference"], view["ends_ms"], view["exercise"], view["object_id"]) == ("", 0, False, "")
    assert (view["crisis"]["linked"], view["crisis"]["framework"], view["crisis"]["criteria"]) == (["ff"], None, [])


@pytest.mark.parametrize("typed", ["48", "h", "0h", "048h", "1.5h", "-1h", "48 h", "48H", "1w", "123456d", "1h30m", ""])
def test_a_duration_is_refused_rather_than_guessed(typed: str) -> None:
    arguments = [*DECLARE, "x", "--for", typed, "--folder", "/nowhere", "--yes"]
    done = CliRunner().invoke(tocsin, arguments)
    assert done.exit_code == 2
    assert "is not a number of minutes, hours or days" in done.stderr


def test_an_end_is_typed_in_one_way() -> None:
    assert times.end_ms(1, None, 10) == 11
    assert times.end_ms(None, 7, 10) == 7
    assert times.end_ms(None, None, 10) is None
    both = [*DECLARE, "x", "--for", "1h", "--until", "2099-01-01", "--folder", "/nowhere", "--yes"]
    assert "not both" in CliRunner().invoke(tocsin, both).stderr
    for place in ("Halle", "de", "DE-", "DEU"):
        odd = ["crisis", "declare", "--framework", "f", "--title", "x", "--place", place, "--for", "1h", "--yes"]
        assert "is no ISO 3166 code" in CliRunner().invoke(tocsin, odd).stderr


# ---- A profile


EDITOR = """\
#!/bin/sh
if grep -q "# >>>" "$1"; then
    cp "$1" "$0.marked"
    sed -i 's/"0611/"+49 611/' "$1"
else
    sed -i 's/^function = ""/function = "Duty officer"/; s/^telephone = ""/telephone = "0611 555 0100"/' "$1"
fi
"""


def test_what_is_wrong_with_an_edited_profile_stands_above_its_line_when_the_editor_opens_again(
    first: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    editor.write_text(EDITOR)
    editor.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(editor))
    with Terminal("profile", "edit", "--folder", str(first.folder)) as terminal:
        terminal.expect(r"the profile: office_hours\[0\]\.telephone: '0611 555 0100' has no country's code")
        terminal.expect("Edit it again")
        terminal.type("")
        terminal.expect("out of hours +Duty officer, \\+49 611 555 0100")
        terminal.expect("Said to all members")
        assert terminal.end() == 0
    lines = (tmp_path / "editor.marked").read_text().splitlines()
    assert lines.count('telephone = "0611 555 0100"') == 2
    place = lines.index('telephone = "0611 555 0100"')
    assert "country's code" in lines[place - 2]
    monkeypatch.setenv("EDITOR", "true")
    with Terminal("profile", "edit", "--folder", str(first.folder)) as terminal:
        terminal.expect("Nothing was changed, and nothing said")
        assert terminal.end() == 0
