"""The configuration: what is wrong is named, and the reference cannot fall behind."""

import dataclasses
from pathlib import Path

import pytest

from node import config
from node.content import addresses
from node.errors import ConfigError
from node.policy.alarm import Route

REFERENCE = Path(__file__).parent.parent / "configs" / "node.toml"


def write(folder: Path, text: str) -> Path:
    path = folder / "node.toml"
    path.write_text(text)
    return path


def test_the_reference_has_every_key_and_every_default(tmp_path: Path) -> None:
    text = REFERENCE.read_text()
    for key in config.known_keys():
        table, _, name = key.rpartition(".")
        part = text.partition(f"[{table}]\n")[2].partition("\n[")[0] if table else text.partition("\n[")[0]
        above, _, _ = part.partition(f"{name} = ")
        assert part.count(f"{name} = ") == 1, key
        assert above.rstrip("\n").rpartition("\n")[2].startswith("# "), f"{key} is commented"
    empty, full = config.load(write(tmp_path, "")), config.load(REFERENCE)
    for field in dataclasses.fields(config.Config):
        one, other = getattr(empty, field.name), getattr(full, field.name)
        if isinstance(one, Path):
            one, other = one.relative_to(empty.folder), other.relative_to(full.folder)
        assert one == other, field.name


def test_what_init_writes_is_the_reference_with_what_was_asked_for(tmp_path: Path) -> None:
    assert config.render("tocsin", listen="[::]:7443") == REFERENCE.read_text()
    name = 'A "quoted" \\ naïve 🚨 name'
    text = config.render(name, listen="0.0.0.0:1", address="a.example:2", tools_listen="[::1]:3")
    read = config.load(write(tmp_path, text))
    assert (read.name, read.peers_listen, read.peers_address, read.tools_listen) == (
        name,
        "0.0.0.0:1",
        "a.example:2",
        "[::1]:3",
    )


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, 'data_folder = "d"')
    read = config.load(Path("node.toml"))
    assert (read.folder, read.data_folder, read.socket) == (tmp_path, tmp_path / "d", tmp_path / "d" / "admin.sock")
    monkeypatch.setenv("HOME", "/home/x")
    read = config.load(write(tmp_path, 'data_folder = "/srv/t"\nadmin.socket = "~/a.sock"'))
    assert (read.data_folder, read.socket) == (Path("/srv/t"), Path("/home/x/a.sock"))


@pytest.mark.parametrize(
    ("text", "key", "near"),
    [
        ('[peers]\nadress = "a:1"', "peers.adress", "Did you mean peers.address?"),
        ('data_foldr = "x"', "data_foldr", "Did you mean data_folder?"),
        ('[logs]\nlevel = "info"', "logs", "Did you mean log?"),
        ('socket = "x"', "socket", "Did you mean admin.socket?"),
        ('[tools]\nformat = "json"', "tools.format", "Did you mean log.format?"),
        ("zzz = 1", "zzz", "The keys are name, data_folder, peers.listen"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(tmp_path: Path, text: str, key: str, near: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert caught.value.reason == f"{path}: there is no key {key}"
    assert caught.value.field == key
    assert near in caught.value.next_step


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("name = 3", "name", "Expected `str`, got `int`"),
        ("peers = 3", "peers", "Expected `object`, got `int`"),
        ('[log]\nlevel = "loud"', "log.level", "Invalid enum value 'loud'"),
        ("[peers]\nlisten = 7443", "peers.listen", "Expected `str`"),
        ('[peers]\nlisten = "7443"', "peers.listen", "is no host:port"),
        ('[peers]\nlisten = ""', "peers.listen", "is no host:port"),
        ('[peers]\naddress = "a.example"', "peers.address", "is no host:port"),
        ('[peers]\naddress = "a.example:0"', "peers.address", "a number from 1 to 65535"),
        ('[peers]\naddress = "a.example:65536"', "peers.address", "a number from 1 to 65535"),
        ('[peers]\naddress = "2001:db8::1:7443"', "peers.address", "is no host:port"),
        ('[tools]\nlisten = "unix:/x"', "tools.listen", "is no host:port"),
        ('[tools]\nlisten = "[::]:7443"', "tools.listen", "where peers are listened for"),
        ('[metrics]\nlisten = "7445"', "metrics.listen", "is no host:port"),
        ('[metrics]\nlisten = "127.0.0.1:7444"', "metrics.listen", "listened for already"),
        ('[metrics]\nlisten = "0.0.0.0:7445"', "metrics.listen", "metrics.allow_remote"),
        ('[metrics]\nlisten = "[::]:7445"', "metrics.listen", "metrics.allow_remote"),
        ('[metrics]\nlisten = "localhost:7445"', "metrics.listen", "use 127.0.0.1"),
        ("[metrics]\nallow_remote = 1", "metrics.allow_remote", "Expected `bool`"),
        (f'[admin]\nsocket = "/{"x" * 107}"', "admin.socket", "at most 107"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_key(tmp_path: Path, text: str, key: str, reason: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert caught.value.reason.startswith(f"{path}: {key}: ")
    assert reason in caught.value.reason
    assert caught.value.field == key


@pytest.mark.parametrize("text", ["a.example:1", "a:65535", "10.0.0.1:7443", "[2001:db8::1]:7443", "x-y.z:80"])
def test_these_are_addresses(text: str) -> None:
    assert addresses.fault(text) == ""


@pytest.mark.parametrize(
    "text",
    ["", ":1", "a:", "a:b", "a:01", "a b:1", "-a:1", "a-:1", "[x]:1", "http://a:1", "a:1\n", "é:1", "a" * 254 + ":1"],
)
def test_these_are_not(text: str) -> None:
    assert "is no host:port" in addresses.fault(text, listening=True)


@pytest.mark.parametrize("listen", ["127.0.0.1:7445", "127.1.2.3:1", "[::1]:7445", "127.0.0.1:0"])
def test_metrics_are_for_this_machine(tmp_path: Path, listen: str) -> None:
    assert config.load(write(tmp_path, f'[metrics]\nlisten = "{listen}"')).metrics_listen == listen


def test_metrics_are_for_others_only_where_a_second_key_says_so(tmp_path: Path) -> None:
    text = '[metrics]\nlisten = "metrics.example:7445"\nallow_remote = '
    assert config.load(write(tmp_path, f"{text}true")).metrics_listen == "metrics.example:7445"
    with pytest.raises(ConfigError, match="can be reached from outside"):
        config.load(write(tmp_path, f"{text}false"))


def test_any_free_port_is_for_listening_only() -> None:
    assert addresses.fault("127.0.0.1:0", listening=True) == ""
    assert addresses.fault("127.0.0.1:0")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file") as caught:
        config.load(tmp_path / "absent.toml")
    assert "tocsin init" in caught.value.next_step
    for content, reason in ((b"name =", "is not TOML"), (b"\xff", "is not TOML"), (b"#" * (1 << 17), "too large")):
        (tmp_path / "node.toml").write_bytes(content)
        with pytest.raises(ConfigError, match=reason):
            config.load(tmp_path / "node.toml")


def test_ways_to_wake_somebody_are_read_with_their_times_and_places(tmp_path: Path) -> None:
    text = """[alarm]
exercises = true
routes = [
  { webhook = "https://desk.example/x", secret = "desk.secret" },
  { name = "officer", command = ["call", "officer"], after = "5m", timeout = "1m" },
]"""
    read = config.load(write(tmp_path, text)).alarm
    assert (read.own, read.exercises, read.per_hour) == (False, True, 12)
    assert read.routes == (
        Route("1", webhook="https://desk.example/x", secret=tmp_path / "desk.secret"),
        Route("officer", ("call", "officer"), after_ms=300_000, timeout_ms=60_000),
    )


@pytest.mark.parametrize(
    ("routes", "key", "near"),
    [
        ('{ command = ["x"], after = "5 minutes" }', "alarm.routes[0].after", "is no time, as 30s"),
        ('{ webhook = "http://a.example/" }', "alarm.routes[0].webhook", "no https://"),
        ('{ command = "call officer" }', "alarm.routes[0].command", "Expected `array`"),
        ('{ comand = ["x"] }', "alarm.routes[0]", "unknown field `comand`"),
    ],
)
def test_a_way_that_cannot_be_is_named_with_its_key(tmp_path: Path, routes: str, key: str, near: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(write(tmp_path, f"[alarm]\nroutes = [ {routes} ]"))
    assert caught.value.field == key
    assert near in caught.value.reason
