"""Keys, backups and requests for the root, as their users type them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from node.cli.main import tocsin
from node.custody import folder
from tests.custody.federations import WORDS, Founder
from tests.custody.folders import feed_of, joined, say


def run(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(tocsin, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def alone(tmp_path: Path) -> Founder:
    return joined(tmp_path / "acme")


@pytest.fixture
def typed(tmp_path: Path) -> tuple[str, ...]:
    path = tmp_path / "words"
    path.write_text(f"{WORDS}\n")
    path.chmod(0o600)
    return "--passphrase-file", str(path), "--yes"


def made_spare(alone: Founder, typed: tuple[str, ...], place: Path) -> Path:
    place.mkdir()
    run("key", "spare", "--count", "1", "--to", place, "--folder", alone.folder, *typed)
    (spare,) = place.iterdir()
    return spare


def test_spares_are_made_and_counted(alone: Founder, typed: tuple[str, ...], tmp_path: Path) -> None:
    shown = run("key", "show", "--folder", alone.folder).stdout
    assert "Spares left: 0 of 0." in shown
    assert "tocsin key spare" in shown
    spare = made_spare(alone, typed, tmp_path / "stick")
    assert spare.stat().st_mode & 0o777 == 0o600
    found = json.loads(run("key", "show", "--json", "--folder", alone.folder).stdout)
    assert (found["spares"], found["spares_left"]) == (1, 1)
    assert {key["use"] for key in found["keys"]} == {"root", "feed", "KEM", "TLS issuer", "tools issuer"}


def test_a_lost_folder_is_told_what_will_happen_and_comes_back(
    alone: Founder, typed: tuple[str, ...], tmp_path: Path
) -> None:
    spare = made_spare(alone, typed, tmp_path / "stick")
    file, place = tmp_path / "backup.tar", tmp_path / "new"
    assert "without payloads and keys" in run("backup", file, "--folder", alone.folder).stdout
    dry = run("restore", file, "--spare", spare, "--folder", place, "--dry-run").stdout
    assert "A backup of Acme Video" in dry
    assert "the node is let in as before" in dry
    assert not place.exists()
    assert "is used up: destroy it" in run("restore", file, "--spare", spare, "--folder", place, *typed).stdout
    folder.check_modes(place / "data")


def test_with_the_root_key_the_danger_is_named_and_a_card_is_written(
    alone: Founder, typed: tuple[str, ...], tmp_path: Path
) -> None:
    file, place, key = tmp_path / "backup.tar", tmp_path / "new", alone.folder / "root.key"
    run("backup", file, "--folder", alone.folder)
    shown = run("restore", file, "--root-key", key, "--folder", place, *typed).stdout
    assert "fork the member for good" in shown
    assert "tocsin peer add acme-video.card" in shown


def test_a_feed_is_opened_anew(alone: Founder, typed: tuple[str, ...], tmp_path: Path) -> None:
    spare = made_spare(alone, typed, tmp_path / "stick")
    old = feed_of(alone)
    dry = run("reopen", "--dry-run", "--folder", alone.folder).stdout
    assert f"Ends feed {old.hex()[:16]} at entry 1" in dry
    assert "Nothing was changed." in dry
    assert feed_of(alone) == old
    run("reopen", "--spare", spare, "--folder", alone.folder, *typed)
    assert feed_of(alone) != old
    say(alone)
    refused = run("reopen", "--spare", spare, "--folder", alone.folder, *typed, code=1)
    assert "opened a feed already" in refused.stderr


def test_what_cannot_be_is_not_tried(alone: Founder, typed: tuple[str, ...], tmp_path: Path) -> None:
    here = ("--folder", alone.folder)
    both = run("key", "rotate", "node", "--root-key", "a", "--export", "b", *here, code=2)
    assert "not both" in both.stderr
    assert "one of the two" in run("reopen", *here, code=2).stderr
    assert "no terminal" in run("key", "rotate", "node", *here, code=2).stderr
    assert "is not there" in run("key", "rotate", "node", "--root-key", tmp_path / "none", *here, *typed, code=3).stderr
    assert "is no folder" in run("key", "spare", "--to", tmp_path / "none", *here, *typed, code=3).stderr
    assert "names no feed" in run("key", "retire", "00", *here, *typed, code=1).stderr
    assert "is no card" in run("key", "successor", "nobody", *here, *typed, code=1).stderr


def test_the_root_key_rotates_with_two_files(alone: Founder, typed: tuple[str, ...], tmp_path: Path) -> None:
    after = tmp_path / "next-root-2.key"
    here = ("--folder", alone.folder)
    run("key", "rotate", "root", "--next-root-key", alone.folder / "next-root.key", "--to", after, *here, *typed)
    run("key", "rotate", "node", "--root-key", alone.folder / "next-root.key", *here, *typed)
    assert "not the root key in force" in run("key", "rotate", "node", *here, *typed, code=1).stderr
    assert "nobody" not in run("key", "show", *here).stdout
    wrong = tmp_path / "never-committed"
    refused = run(
        "key", "rotate", "root", "--next-root-key", alone.folder / "root.key", "--to", wrong, *here, *typed, code=1
    )
    assert "committed to another" in refused.stderr
    assert not wrong.exists()


def test_a_request_goes_to_the_root_and_back(alone: Founder, typed: tuple[str, ...], tmp_path: Path) -> None:
    file, here, old = tmp_path / "request", ("--folder", alone.folder), feed_of(alone)
    assert "without any secret" in run("key", "rotate", "node", "--export", file, *here).stdout
    assert "Not signed yet." in run("identity", "show", file).stdout
    told = json.loads(run("identity", "show", file, "--json").stdout)
    assert (told["signed"], any("new feed key" in one for one in told["asks"])) == (False, True)
    assert "new keys of this node wait" in run("doctor", *here, code=3).stdout.replace("\n", " ")
    assert "has not signed this file" in run("identity", "import", file, *here, "--yes", code=1).stderr
    key = alone.folder / "root.key"
    assert "new feed key" in run("identity", "sign", file, "--root-key", key, *typed).stdout
    run("identity", "import", file, *here, "--yes")
    assert feed_of(alone) != old
    file = tmp_path / "rotation"
    run("key", "rotate", "root", "--export", file, *here)
    after, taking_over = tmp_path / "after", alone.folder / "next-root.key"
    assert "--next-root-key" in run("identity", "sign", file, "--root-key", taking_over, *typed, code=2).stderr
    run("identity", "sign", file, "--root-key", taking_over, "--next-root-key", after, *typed)
    run("identity", "import", file, *here, "--yes")
    run("key", "rotate", "node", "--root-key", taking_over, *here, *typed)
