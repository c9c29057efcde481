"""Making a member: whole or not at all, and never over another."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from node import config
from node.custody import charters, folder, member, passphrase
from node.errors import ConfigError, Refused
from node.feed import identity
from node.feed.identity import Role
from tests.custody.federations import NOW, WORDS, create


@pytest.fixture(params=[0o000, 0o077], ids=["umask 000", "umask 077"])
def _any_umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_any_umask")
def test_every_secret_is_the_owners_alone_and_the_card_is_for_everyone(tmp_path: Path) -> None:
    made = create(tmp_path / "acme")
    folder.check_modes(made.data)
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in made.folder.rglob("*")}
    public = {made.made.card_path, made.folder / "node.toml"}
    assert {path for path, mode in modes.items() if mode & 0o077} == public
    assert {path.name for path in made.data.rglob("*") if path.is_dir()} == {"sign", "node", "former-kem"}
    assert all(mode == 0o600 for path, mode in modes.items() if path.is_file() and path not in public)


def test_what_was_made_fits_together(tmp_path: Path) -> None:
    made = create(tmp_path / "acme", "Acme Video", Role.AUTHORITY, "IE")
    _, card = charters.read_card(made.made.card_path)
    node = folder.read_keys(made.data)
    root, next_root = (
        SigningKey(passphrase.open_file(made.folder / name, "root", WORDS)) for name in ("root.key", "next-root.key")
    )
    assert card.inception.member_id == node.member_id
    assert card.inception.root_key == bytes(root.verify_key)
    assert card.inception.next_root == identity.next_root_commitment(bytes(next_root.verify_key))
    assert card.tls_issuer == node.issuer.der != node.tools.der
    settings = config.load(made.folder / "node.toml")
    assert (settings.name, settings.peers_address, settings.peers_listen) == (
        "Acme Video",
        "node.example:7443",
        "[::]:7443",
    )
    assert card.address == settings.peers_address


def test_two_members_share_no_key(tmp_path: Path) -> None:
    one, other = (folder.read_keys(create(tmp_path / name).data) for name in "ab")
    assert one.member_id != other.member_id
    assert one.node_id != other.node_id
    assert one.kem_key != other.kem_key
    assert one.feed_key != other.feed_key


@pytest.mark.parametrize("left", ["data", "root.key", "next-root.key", "node.toml"])
def test_a_second_member_in_a_folder_is_refused_and_the_first_is_not_touched(tmp_path: Path, left: str) -> None:
    made = create(tmp_path / "acme")
    for name in {"data", "root.key", "next-root.key", "node.toml"} - {left}:
        (made.folder / name).rename(tmp_path / name)
    before = {path: path.read_bytes() for path in made.folder.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=f"{left} is there already") as caught:
        create(made.folder)
    assert "--folder" in caught.value.next_step
    assert {path: path.read_bytes() for path in made.folder.rglob("*") if path.is_file()} == before


def test_an_older_card_of_that_name_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "acme-video.card").write_bytes(b"another member's")
    with pytest.raises(ConfigError, match=r"acme-video\.card is there already"):
        create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["acme-video.card"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"words": "too short"}, "can be guessed"),
        ({"name": "Acme\nVideo"}, "control characters"),
        ({"name": " Acme"}, "blanks around it"),
        ({"name": ""}, "name"),
        ({"name": "x" * 97}, "name"),
        ({"country": "ie"}, "two capital letters"),
        ({"country": "IRL"}, "country"),
    ],
)
def test_a_member_that_cannot_be_leaves_an_empty_folder(tmp_path: Path, change: dict[str, str], reason: str) -> None:
    asked = {"name": "Acme", "country": "IE", "words": WORDS} | change
    with pytest.raises(Refused, match=reason) as caught:
        member.create(tmp_path / "acme", role=Role.PLATFORM, now=NOW, cost=passphrase.MINIMAL, **asked)
    assert caught.value.next_step
    assert not (tmp_path / "acme").exists() or not list((tmp_path / "acme").iterdir())


def test_an_address_that_cannot_be_leaves_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"peers\.listen"):
        member.create(
            tmp_path, name="Acme", role=Role.PLATFORM, country="IE", words=WORDS, now=NOW, listen="nowhere",
            cost=passphrase.MINIMAL,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_folder_nobody_may_write_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be written to"):
        create(tmp_path / "file" / "acme")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Bundeskriminalamt", "bundeskriminalamt"),
        ("Acme Vidéo & Söhne", "acme-video-sohne"),
        ("../../etc/passwd", "etc-passwd"),
        ("x" * 90, "x" * 40),
    ],
)
def test_a_card_is_called_after_its_member(tmp_path: Path, name: str, expected: str) -> None:
    assert create(tmp_path, name).made.card_path == tmp_path / f"{expected}.card"


def test_a_name_without_a_latin_letter_is_called_by_its_fingerprint(tmp_path: Path) -> None:
    made = create(tmp_path, "Ελληνική Αστυνομία").made
    assert made.card_path.stem == made.fingerprint[:5].lower()
