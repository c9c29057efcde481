"""The commands that act on a folder without a daemon, as their users type them."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from node.cli import asking, errors, member
from node.cli.main import COMMANDS, tocsin
from node.custody import charters, folder, joining
from node.errors import ConfigError, Malformed, NodeError, Refused
from node.policy import parameters
from node.rpc import bundle, tls
from tests.cli.terminal import Terminal
from tests.custody.federations import WORDS, Founder, charter_of, create, five, small

HEAVY = ("grpc", "cryptography", "sqlalchemy", "nacl", "google.protobuf", "msgspec", "asyncio", "rich")


def run(*arguments: str | Path, typed: str | None = None) -> Result:
    return CliRunner().invoke(tocsin, [str(argument) for argument in arguments], input=typed, catch_exceptions=False)


def refused(result: Result, code: int, reason: str) -> None:
    """The reason and the next step on stderr, nothing on stdout."""
    assert result.exit_code == code, result.output
    first, *more = result.stderr.splitlines()
    assert first.startswith("tocsin: ")
    assert reason in result.stderr
    assert all(line.startswith("  ") for line in more), result.stderr
    assert more


@pytest.fixture
def alone(tmp_path: Path) -> Founder:
    return create(tmp_path / "acme")


@pytest.fixture
def charter(alone: Founder, tmp_path: Path) -> Path:
    path = tmp_path / "charter.tocsin"
    path.write_bytes(charter_of((alone,), small()))
    return path


# ---- As a whole.


def test_five_founders_make_a_federation(tmp_path: Path, words: Path) -> None:
    founders = five(tmp_path)
    text = tmp_path / "federation.toml"
    text.write_text(run("charter", "template").stdout)
    cards = [founder.made.card_path for founder in founders]
    output = tmp_path / "charter.tocsin"
    made = run("charter", "create", text, *cards[::-1], "--output", output, "--yes")
    assert made.exit_code == 0, made.output
    for founder in founders:
        assert founder.made.fingerprint in made.stdout
    assert "in force after 4 of 5 acceptances" in made.stdout
    federation_id = charters.readable_id(charters.read(output)[1])
    assert f"federation id {federation_id}" in made.stdout
    assert federation_id in run("charter", "show", output).stdout
    for founder in founders:
        joined = run("join", output, "--folder", founder.folder, "--passphrase-file", words, "--yes")
        assert joined.exit_code == 0, joined.output
        assert f"{founder.made.card.inception.name} joined Example federation, federation id {federation_id}" in (
            joined.stdout
        )
        checked = run("config", "check", "--folder", founder.folder)
        assert checked.exit_code == 0, checked.output
        assert "is in order." in checked.stdout
        assert founder.made.fingerprint in checked.stdout


def test_init_makes_a_folder_and_says_what_to_do_next(tmp_path: Path) -> None:
    place = tmp_path / "etc" / "tocsin"
    made = run(
        "init", "--name", "Bundeskriminalamt", "--role", "authority", "--country", "DE",
        "--address", "node.bka.example:7443", "--folder", place, "--passphrase-file", "-", typed=f"{WORDS}\n",
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    card = charters.read_card(place / "bundeskriminalamt.card")[1]
    first, second, third, fourth = made.stdout.splitlines()
    assert first.startswith(f"Made {place}. Fingerprint  ")
    assert second.startswith(f"Wrote {place}/bundeskriminalamt.card (public)")
    assert "offline" in third
    assert "tocsin join FILE --root-key PATH" in fourth
    assert (card.inception.role, card.inception.country, card.address) == (1, "DE", "node.bka.example:7443")
    assert WORDS not in made.output
    again = run(
        "init", "--name", "B", "--role", "authority", "--country", "DE", "--folder", place,
        "--passphrase-file", "-", typed=f"{WORDS}\n",
    )  # fmt: skip
    refused(again, 3, "is not overwritten")


# ---- Each by itself.


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--role", "king", "is not one of"),
        ("--country", "Germany", "two capital letters"),
        ("--address", "node.example", "is no host:port"),
        ("--listen", "node.example:x", "is no host:port"),
        ("--address", "node.example:0", "1 to 65535"),
    ],
)
def test_init_refuses_what_cannot_be_before_it_asks_for_anything(
    tmp_path: Path, option: str, value: str, reason: str
) -> None:
    asked = {"--name": "A", "--role": "platform", "--country": "none", "--folder": str(tmp_path / "a")}
    result = run("init", *[part for pair in (asked | {option: value}).items() for part in pair])
    assert result.exit_code == 2
    assert reason in result.stderr
    assert not (tmp_path / "a").exists()


def test_without_a_terminal_a_passphrase_file_is_demanded(tmp_path: Path, alone: Founder, charter: Path) -> None:
    made = run("init", "--name", "A", "--role", "platform", "--country", "IE", "--folder", tmp_path / "a")
    joined = run("join", charter, "--folder", alone.folder)
    for result in (made, joined):
        assert result.exit_code == 2
        assert "give --passphrase-file FILE" in result.stderr
    assert not joining.has_charter(alone.config)


def test_a_passphrase_file_may_be_named_by_the_environment(
    alone: Founder, charter: Path, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_PASSPHRASE_FILE", str(words))
    monkeypatch.setenv("TOCSIN_CONFIG", str(alone.folder / "node.toml"))
    assert run("join", charter, "--yes").exit_code == 0


def test_a_passphrase_file_that_others_may_read_is_refused(alone: Founder, charter: Path, words: Path) -> None:
    words.chmod(0o644)
    result = run("join", charter, "--folder", alone.folder, "--passphrase-file", words, "--yes")
    refused(result, 3, "chmod 600")
    words.chmod(0o600)
    words.write_bytes(b"\n")
    refused(run("join", charter, "--folder", alone.folder, "--passphrase-file", words, "--yes"), 3, "no passphrase")


def test_a_script_has_to_say_yes_to_a_signature(alone: Founder, charter: Path, words: Path) -> None:
    result = run("join", charter, "--folder", alone.folder, "--passphrase-file", words)
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert not joining.has_charter(alone.config)


def test_a_wrong_passphrase_is_refused(alone: Founder, charter: Path) -> None:
    result = run("join", charter, "--folder", alone.folder, "--passphrase-file", "-", "--yes", typed="another one\n")
    refused(result, 1, "does not open")
    assert "another one" not in result.output


def test_join_finds_the_root_key_where_it_was_moved(alone: Founder, charter: Path, words: Path, tmp_path: Path) -> None:
    moved = (alone.folder / "root.key").rename(tmp_path / "stick.key")
    arguments = ("join", charter, "--folder", alone.folder, "--passphrase-file", words, "--yes")
    refused(run(*arguments), 3, "--root-key PATH")
    joined = run(*arguments, "--root-key", moved)
    assert joined.exit_code == 0, joined.output
    assert "/root.key still lies beside" not in joined.stdout
    assert "/next-root.key still lies beside" in joined.stdout
    again = run(*arguments)
    assert again.exit_code == 0, "nothing is left to sign, so no key is needed"
    assert "has joined already" in again.stdout


def test_join_refuses_a_charter_without_this_member(alone: Founder, words: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.tocsin"
    path.write_bytes(charter_of((create(tmp_path / "other", "Other"),), small()))
    refused(
        run("join", path, "--folder", alone.folder, "--passphrase-file", words, "--yes"), 1, "is not in the charter"
    )


def test_a_changed_card_makes_no_charter(alone: Founder, tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text(small())
    card = alone.made.card_path
    card.write_bytes(card.read_bytes()[:-1] + b"x")
    output = tmp_path / "c.tocsin"
    refused(run("charter", "create", tmp_path / "f.toml", card, "--output", output, "--yes"), 1, "acme-video.card")
    assert not output.exists()


def test_a_charter_is_not_made_over_another(alone: Founder, charter: Path, tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text(small())
    before = charter.read_bytes()
    arguments = ("charter", "create", tmp_path / "f.toml", alone.made.card_path, "--output", charter)
    refused(run(*arguments), 3, "is there already")  # before anybody is asked for fingerprints
    assert charter.read_bytes() == before


def test_without_a_terminal_nobody_can_type_a_fingerprint(alone: Founder, tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text(small())
    output = tmp_path / "c.tocsin"
    result = run("charter", "create", tmp_path / "f.toml", alone.made.card_path, "--output", output)
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert not output.exists()


def test_who_makes_a_charter_is_warned_of_frameworks_that_nobody_or_anybody_alone_could_declare_under(
    alone: Founder, tmp_path: Path
) -> None:
    text, output = tmp_path / "f.toml", tmp_path / "c.tocsin"
    create_it = ("charter", "create", text, alone.made.card_path, "--output", output, "--yes")
    text.write_text(small())
    assert "framework" not in run(*create_it).stderr
    output.unlink()
    row = next(part for part in parameters.TEMPLATE.split("\n\n") if 'name = "gifct-pci"' in part)
    marked = row[row.index("# [[") :].replace("# ", "")
    text.write_text(
        small().replace("[vocabularies]", f'{marked}\n[[frameworks]]\nname = "ours"\nversion = "1"\n[vocabularies]')
    )
    warned = run(*create_it).stderr
    assert "warning: nobody can declare under gifct-pci 2025" in warned
    assert "warning: nothing under gifct-pci 2025 ever becomes active" in warned
    assert "warning: ours 1 has no document: whoever may declare does so alone" in warned
    assert "eu-ocrf 2026-03" not in warned


def test_a_charter_is_shown_to_programs_too(alone: Founder, charter: Path) -> None:
    shown = json.loads(run("charter", "show", charter, "--json").stdout)
    read = charters.read(charter)[1]
    assert shown["federation_id"] == read.federation_id.hex()
    (founder,) = shown["founders"]
    assert founder["member_id"] == alone.made.card.inception.member_id.hex()
    assert (founder["name"], founder["role"], founder["country"]) == ("Acme Video", "platform", "IE")
    assert shown["quorums"]["accept"]["count"] == 1
    assert shown["crisis"] == {"default_hours": 48, "longest_hours": 336}


def test_a_check_names_what_is_wrong_and_how_to_mend_it(alone: Founder) -> None:
    checked = json.loads(run("config", "check", "--folder", alone.folder, "--json").stdout)
    assert checked["member"] == alone.made.fingerprint
    assert checked["federation"] == ""
    key = alone.data / folder.FEED_KEY
    key.chmod(0o644)
    refused(run("config", "check", "--folder", alone.folder), 3, f"chmod 600 {key}")
    key.chmod(0o600)
    toml = alone.folder / "node.toml"
    toml.write_text(toml.read_text().replace("address", "adress"))
    refused(run("config", "check", "--folder", alone.folder), 3, "Did you mean peers.address?")


def test_a_tool_gets_one_file_for_its_owner_alone(
    alone: Founder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ("tool", "issue", "scanner", "--scope", "match", "--scope", "read", "--folder", alone.folder)
    issued = run(*arguments)
    assert issued.exit_code == 0, issued.output
    assert issued.stdout.startswith("scanner.pem (0600): match, read, 30 days, until ")
    assert "UTC" in issued.stdout
    path = tmp_path / "scanner.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert bundle.read_bundle(path).member_id == alone.made.card.inception.member_id
    refused(run(*arguments), 3, "is not overwritten")
    misspelt = run("tool", "issue", "x", "--scope", "mach", "--folder", alone.folder)
    assert misspelt.exit_code == 2
    assert "'mach' is not one of 'read', 'match'" in misspelt.stderr
    assert run("tool", "issue", "x", "--scope", "match", "--days", "400", "--folder", alone.folder).exit_code == 2
    assert run("tool", "issue", "x", "--folder", alone.folder).exit_code == 2


# ---- On a terminal.


def test_on_a_terminal_the_end_of_each_fingerprint_is_typed_as_heard(tmp_path: Path) -> None:
    founders = (create(tmp_path / "a", "First"), create(tmp_path / "b", "Second"))
    (tmp_path / "f.toml").write_text(small())
    cards = [str(founder.made.card_path) for founder in founders]
    output = tmp_path / "c.tocsin"
    with Terminal("charter", "create", str(tmp_path / "f.toml"), *cards, "--output", str(output)) as terminal:
        for founder in founders:
            whole, heard = founder.made.fingerprint, founder.made.fingerprint[-5:]
            terminal.expect(f"{founder.made.card.inception.name}  {whole[:17]} " + r"\?{5}  last five characters")
            assert heard not in terminal.shown, "what is to be heard is not shown"
            terminal.type("-----")
            terminal.expect("That is not what the card says")
            terminal.expect("last five")
            assert not output.exists()
            terminal.type(heard.lower())
        terminal.expect("in force after 1 of 2 acceptances")
        assert terminal.end() == 0
    assert charters.read(output)


def test_letters_that_look_like_digits_are_heard_as_digits() -> None:
    for typed in ("01A0Z", "o1aOz", " OIAoZ ", "0LA0Z", "0la0z"):
        assert asking.is_end_of("7F3KQ 2WM4D X8RTA 01A0Z", typed)
    for typed in ("", "01A0", "A01A0Z", "01A02", "X8RTA"):
        assert not asking.is_end_of("7F3KQ 2WM4D X8RTA 01A0Z", typed)


def test_on_a_terminal_a_fingerprint_that_never_fits_makes_no_charter(alone: Founder, tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text(small())
    output = tmp_path / "c.tocsin"
    card = str(alone.made.card_path)
    with Terminal("charter", "create", str(tmp_path / "f.toml"), card, "--output", str(output)) as terminal:
        for _ in range(asking.TRIES):
            terminal.expect("last five")
            terminal.type("-----")
        terminal.expect("is not the one whose fingerprint you heard")
        assert terminal.end() == 1
    assert not output.exists()


def test_on_a_terminal_join_says_what_it_signs_and_asks_for_the_passphrase_alone(alone: Founder, charter: Path) -> None:
    with Terminal("join", str(charter), "--folder", str(alone.folder)) as terminal:
        terminal.expect("Acme Video, platform, IE, ")
        terminal.expect("accepts the charter of Example federation")
        terminal.expect("Root passphrase:")
        terminal.type(WORDS)
        terminal.expect("Acme Video joined Example federation")
        assert terminal.end() == 0
        assert WORDS not in terminal.shown
    assert joining.has_charter(alone.config)


def test_on_a_terminal_a_short_passphrase_is_asked_for_again(tmp_path: Path) -> None:
    arguments = ("init", "--name", "A", "--role", "platform", "--country", "IE", "--folder", str(tmp_path / "a"))
    with Terminal(*arguments) as terminal:
        terminal.expect("Root passphrase:")
        terminal.type("short")
        terminal.expect("can be guessed")
        terminal.expect("Root passphrase:")
        terminal.type(WORDS)
        terminal.expect("Repeat for confirmation:")
        terminal.type(WORDS)
        terminal.expect("Fingerprint")
        assert terminal.end() == 0


# ---- The frame.


def subclasses(kind: type[NodeError]) -> list[type[NodeError]]:
    return [kind, *(below for each in kind.__subclasses__() for below in subclasses(each))]


def test_every_error_has_an_exit_code() -> None:
    for kind in subclasses(NodeError)[1:]:
        assert any(each in errors.EXIT_CODES for each in kind.__mro__), kind
    assert errors.exit_code(Malformed("rule", "reason")) == 5
    assert errors.exit_code(ConfigError("reason")) == 3
    assert len(set(errors.EXIT_CODES.values()) | {0, 2}) == len(errors.EXIT_CODES) + 2


def test_an_error_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    errors.show(Refused("a\x1b[2Jb\u202e", next_step="c\x07\nd"))
    assert capsys.readouterr().err == "tocsin: a\\x1b[2Jb\\u202e\n  c\\x07\n  d\n"


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    context = click.Context(group)
    found: list[tuple[str, ...]] = [path]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found += commands(command, (*path, name)) if isinstance(command, click.Group) else [(*path, name)]
    return found


@pytest.mark.parametrize("path", commands(tocsin), ids=" ".join)
def test_every_help_has_examples_that_are_kept_as_they_are(path: tuple[str, ...]) -> None:
    shown = run(*path, "--help")
    assert shown.exit_code == 0
    assert "\n  Examples:\n    tocsin " in shown.stdout


def test_every_command_is_listed_with_a_whole_sentence() -> None:
    shown = run("--help").stdout
    for name in COMMANDS:
        assert any(line.startswith(f"  {name} ") and line.endswith(".") for line in shown.splitlines()), name
    assert "..." not in shown.partition("Commands:")[2].partition("Examples:")[0]


def test_the_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom node.cli.main import tocsin\n"
        "try:\n    tocsin(['--help'], prog_name='tocsin')\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stderr == "[]\n"
    assert "init" in shown.stdout


def test_what_the_commands_offer_is_what_there_is() -> None:
    assert set(member.ROLES) == set(parameters.ROLES)
    shown = " ".join(run("tool", "issue", "--help").stdout.split())
    assert all(scope in shown for scope in tls.SCOPES)


def test_an_unknown_command_is_named() -> None:
    result = run("chart")
    assert result.exit_code == 2
    assert "chart" in result.stderr
