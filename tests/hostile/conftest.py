"""Two honest daemons, and the keys of a third member whose node is not run: the hostile's."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from tests.acts import approve, declare, fresh_name, hears, in_force
from tests.federation import Node, federation
from tests.hostile.member import Member
from tests.hostile.talking import Victim

GROWTH_KIB_MAX = 96 << 10  # of a daemon's resident memory while it is abused; one outbox may hold 8 MiB


@dataclass(frozen=True)
class Scene:
    """Who is there. ``one`` is dialled by the hostile; ``other`` hears of it through ``one``."""

    one: Node
    other: Node
    me: Member
    root: SigningKey = field(repr=False)  # the hostile member's own

    @property
    def victim(self) -> Victim:
        """The first honest node."""
        return _victim(self.one)

    @property
    def bystander(self) -> Victim:
        """The second one."""
        return _victim(self.other)


def _victim(node: Node) -> Victim:
    return Victim(node.config.peers_listen, Member.of(node.config.data_folder))


@pytest.fixture(scope="package", name="scene")
def _scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with federation(tmp_path_factory.mktemp("hostile"), 3) as nodes:
        asyncio.run(_meet(*nodes))
        one, other, hostile = nodes
        hostile.stop()
        yield Scene(one, other, Member.of(hostile.config.data_folder), hostile.root_key)


async def _meet(*nodes: Node) -> None:
    for node in nodes:
        await approve(node, *(other for other in nodes if other is not node))
    await in_force(*nodes)


@pytest.fixture(autouse=True)
async def unharmed(scene: Scene) -> AsyncIterator[None]:
    """After whatever was done: both daemons run, have not grown, and what one declares the other hears."""
    before = [_start_measuring(node) for node in (scene.one, scene.other)]
    yield
    title = f"afterwards {fresh_name()}"
    await declare(scene.one, title)
    await hears(scene.other, title)
    for node, resident in zip((scene.one, scene.other), before, strict=True):
        grown = _peak_kib(node) - resident
        print(f"{node.name}: grew by {grown} KiB at most")
        assert grown < GROWTH_KIB_MAX, f"{node.name} grew by {grown} KiB"


def _start_measuring(node: Node) -> int:
    """Forget the peak so far; what is resident now, in KiB."""
    Path(f"/proc/{node.pid}/clear_refs").write_text("5")
    return _peak_kib(node)


def _peak_kib(node: Node) -> int:
    lines = Path(f"/proc/{node.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
