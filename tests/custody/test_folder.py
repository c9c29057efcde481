"""The data folder: what is read back, and who may read it."""

import socket
from pathlib import Path

import pytest

from node.custody import folder
from node.errors import ConfigError
from tests.custody.federations import create

SECRETS = (
    folder.FEED_KEY,
    folder.KEM_KEY,
    folder.MEMBER,
    folder.NODE_ID,
    *folder.ISSUER,
    *folder.TOOLS,
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return create(tmp_path / "acme").data


@pytest.mark.parametrize("name", SECRETS)
def test_a_file_that_is_gone_is_named(data: Path, name: str) -> None:
    (data / name).unlink()
    with pytest.raises(ConfigError, match=f"{name} cannot be read"):
        folder.read_keys(data)


@pytest.mark.parametrize("name", [folder.FEED_KEY, folder.KEM_KEY, folder.MEMBER, folder.NODE_ID])
def test_a_damaged_file_is_named_and_not_quoted(data: Path, name: str) -> None:
    text = (data / name).read_text()
    for broken in (text[:-3], text + "00", "x" + text[1:], "", text.replace(text[4], "é")):
        (data / name).write_text(broken)
        with pytest.raises(ConfigError, match=f"{name} is damaged: it needs") as caught:
            folder.read_keys(data)
        assert text[5:20] not in str(caught.value)
        assert caught.value.__cause__ is None


def test_an_issuer_with_anothers_key_is_named(data: Path) -> None:
    (data / "node/tools.key").replace(data / "node/issuer.key")
    with pytest.raises(ConfigError, match=r"node/issuer\.pem: .*do not belong together"):
        folder.read_keys(data)


def test_no_key_is_shown_when_the_keys_are_printed(data: Path) -> None:
    keys = folder.read_keys(data)
    assert keys.kem_key.hex() not in repr(keys)
    assert repr(keys.kem_key) not in repr(keys)
    assert "feed_key" not in repr(keys)


@pytest.mark.parametrize("name", ["", "sign", "node", folder.FEED_KEY, folder.KEM_KEY, "node/tools.key"])
@pytest.mark.parametrize("others", [0o040, 0o004, 0o020])
def test_what_others_may_touch_is_named_with_the_command_to_run(data: Path, name: str, others: int) -> None:
    path = data / name
    path.chmod(path.stat().st_mode | others)
    with pytest.raises(ConfigError, match="others on this machine") as caught:
        folder.check_modes(data)
    assert f"chmod {'700' if path.is_dir() else '600'} {path}`" in caught.value.next_step
    path.chmod(0o700 if path.is_dir() else 0o600)
    folder.check_modes(data)


def test_a_socket_and_a_link_are_not_what_the_modes_are_about(data: Path) -> None:
    (data / "link").symlink_to("elsewhere")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(data / "s"))
        (data / "s").chmod(0o666)
        folder.check_modes(data)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there") as caught:
        folder.check_modes(tmp_path / "data")
    assert "tocsin init" in caught.value.next_step


def test_a_folder_that_is_there_is_not_written_into(data: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be made"):
        folder.create_folder(data, folder.read_keys(data))
