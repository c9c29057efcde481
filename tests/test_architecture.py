"""The shape of the tree, enforced: imports go only down, modules stay small and say what they are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = (
    ("cli",),
    ("interop",),
    ("daemon", "client"),
    ("logs", "metrics", "systemd"),
    ("custody",),
    ("config",),
    ("rpc",),
    ("runtime",),
    ("exchange",),
    ("protocol", "store"),
    ("policy",),
    ("crisis", "content", "referral"),
    ("feed",),
    ("errors", "limits", "v1"),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
SIBLINGS = {("errors", "limits"), ("limits", "errors")}
FORBIDDEN = {  # what a layer may not touch, besides what stands above it
    "feed": ("asyncio", "grpc", "sqlite3", "sqlalchemy", "time", "os", "logging", "threading", "random", "secrets"),
    "content": ("asyncio", "grpc", "sqlite3", "sqlalchemy", "time", "os", "logging", "threading", "random"),
    "policy": ("asyncio", "grpc", "sqlite3", "sqlalchemy", "time", "os", "logging", "threading", "random"),
    "protocol": ("asyncio", "grpc", "sqlite3", "sqlalchemy", "time", "os", "logging", "threading"),
    "store": ("asyncio", "grpc", "google", "node.v1", "logging", "time"),
    "exchange": ("asyncio", "grpc", "logging", "time", "threading", "random", "sqlite3"),
    "runtime": ("grpc", "sqlite3"),
}
BANNED_NAMES = re.compile(r"util|helper|common|misc|base|manager|handler|service|processor")
MODULES = sorted(path for path in (ROOT / "node").rglob("*.py") if "v1" not in path.relative_to(ROOT / "node").parts)


def layer(path: Path) -> str:
    part = path.relative_to(ROOT / "node").parts[0]
    return part.removesuffix(".py")


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_only_down(path: Path) -> None:
    here = layer(path)
    for name in imports(ast.parse(path.read_text())):
        for forbidden in FORBIDDEN.get(here, ()):
            assert name != forbidden and not name.startswith(f"{forbidden}."), f"{path}: {name}"  # noqa: PT018
        if not name.startswith("node.") or here == "__init__":
            continue
        there = name.split(".")[1]
        assert there == here or (here, there) in SIBLINGS or RANK[there] > RANK[here], f"{path}: {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_stay_small_and_say_what_they_are(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{path} has no docstring"
    assert text.count("\n") <= 400, f"{path} has more than 400 lines"
    assert not BANNED_NAMES.search(path.stem), f"{path} is named after nothing"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 50, f"{path}: {node.name} has more than 50 lines"


@pytest.mark.parametrize("package", ["custody", "daemon", "rpc", "runtime", "store"])
def test_a_package_that_says_what_is_in_it_leaves_nothing_out(package: str) -> None:
    said = ast.get_docstring(ast.parse((ROOT / "node" / package / "__init__.py").read_text())) or ""
    named = set(re.findall(r"\w+", said))
    assert {path.stem for path in MODULES if path.parent == ROOT / "node" / package} - {"__init__"} <= named


def test_only_verification_makes_checked_entries_and_only_ingest_appends() -> None:
    for path in MODULES:
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        names = {ast.unparse(call) for call in calls}
        assert "Checked" not in names or path.name == "verification.py", path
        assert "ledger.append" not in names or path.name == "ingest.py", path


def test_whatever_our_own_tools_say_goes_through_the_one_door_out() -> None:
    """It looks texts through (section 7 of protos/README.md)."""
    saying = [path.name for path in MODULES if "peering.publish(" in path.read_text()]
    assert saying == ["saying.py"]


def test_the_hostile_peer_borrows_nothing_of_ours() -> None:
    """Else a mistake of ours in making bytes would be one in reading them too."""
    for path in [*(ROOT / "tests" / "hostile").glob("*.py"), ROOT / "tests" / "vectors" / "wire.py"]:
        ours = {name for name in imports(ast.parse(path.read_text())) if name.split(".")[0] == "node"}
        assert all(name.startswith("node.client.") for name in ours), path  # to see what the victim shows


def test_two_places_match_over_effects() -> None:
    matching = {
        str(path.relative_to(ROOT))
        for path in [*MODULES, *(ROOT / "tests").rglob("*.py")]
        if re.search(r"case (effects\.)?ServeChunk\(", path.read_text())
    }
    assert matching <= {"node/runtime/peering.py", "tests/simulator/node.py"}
