"""The end of every round: all nodes hold the same, and nothing that was confirmed is missing anywhere."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence

from node.content.hashes import SHA256
from node.v1 import admin_pb2
from tests.chaos import world as worlds
from tests.chaos.saying import Said
from tests.chaos.world import LOOK_AGAIN_S, Lost, World

LOOK_UP_MAX = 1000


async def reached(world: World) -> float:
    """Wait until all hold the same heads and the same values, and want nothing; how long that took."""
    now = asyncio.get_running_loop().time
    since = now()
    answers: Sequence[admin_pb2.GetStatusResponse | None] = []
    try:
        async with asyncio.timeout(worlds.GUARD_S):
            while True:
                answers = [await worlds.answered(world.status(i)) for i in range(world.plan.nodes)]
                if _agree(answers):
                    answers = [await world.status(i, index_digest=True) for i in range(world.plan.nodes)]
                    if _agree(answers):
                        return now() - since
                await asyncio.sleep(LOOK_AGAIN_S)
    except TimeoutError:
        raise Lost(f"no agreement within {worlds.GUARD_S:.0f} s:\n{_table(answers)}") from None


def _agree(answers: Sequence[admin_pb2.GetStatusResponse | None]) -> bool:
    views = {(one.heads_digest, one.index_digest, one.payloads_wanted) if one else None for one in answers}
    return len(views) == 1 and None not in views and all(one and not one.payloads_wanted for one in answers)


def _table(answers: Sequence[admin_pb2.GetStatusResponse | None]) -> str:
    return "\n".join(
        f"    n{i + 1}: heads {one.heads_digest.hex()[:12]}, index {one.index_digest.hex()[:12] or '-'},"
        f" {one.items:,} items, {one.entries:,} entries, {one.payloads_wanted:,} payloads wanted,"
        f" {one.peers_connected} connected, {one.peers_in_step} in step"
        if one
        else f"    n{i + 1}: does not answer"
        for i, one in enumerate(answers)
    )


async def nothing_lost(world: World, said: Said) -> None:
    """What nodes confirmed is everywhere, and once; raises Lost."""
    await asyncio.gather(*(_digests_are_found(world, said, i) for i in range(world.plan.nodes)))
    for i in range(world.plan.nodes):
        await _crises_stand_once(world, said, i)
    wanted = {(i, one.object_id) for i in range(world.plan.nodes) for one in said.declared}

    async def all_seen() -> bool:
        return wanted <= said.seen_s.keys()

    await worlds.until(all_seen, "every subscriber was given every declaration", 60)

    async def commands_agree() -> bool:
        return await asyncio.to_thread(_commands_agree, world)

    # Nodes acknowledge what came, so what they hold may still grow.
    await worlds.until(commands_agree, "`tocsin status --json --index-digest` is the same on all", 60)


async def _digests_are_found(world: World, said: Said, node: int) -> None:
    standing = sorted(said.standing)  # sorted as records are, so that each is fetched once
    for first in range(0, len(standing), LOOK_UP_MAX):
        asked = standing[first : first + LOOK_UP_MAX]
        found = {match.index for match in await world.clients[node].look_up(SHA256.name, asked)}
        missing = [value for i, value in enumerate(asked) if i not in found]
        if missing:
            raise Lost(f"n{node + 1} does not find {len(missing)} of {len(asked)} digests, as {missing[0].hex()}")
    removed = sorted(said.digests[: said.removed])
    for first in range(0, len(removed), LOOK_UP_MAX):
        found = {match.index for match in await world.clients[node].look_up(SHA256.name, removed[first:][:LOOK_UP_MAX])}
        if found:
            raise Lost(f"n{node + 1} still finds {len(found)} digests that were removed")


async def _crises_stand_once(world: World, said: Said, node: int) -> None:
    expected = Counter((one.title, one.entry) for one in said.declared)
    found = Counter((one.crisis.title, one.entry) for one in await world.clients[node].crises())
    if found != expected:
        missing, more = expected - found, found - expected
        raise Lost(f"n{node + 1} lacks the crises {sorted(missing)} and has {sorted(more)} too many")


def _commands_agree(world: World) -> bool:
    """What an administrator would compare."""
    found = [node.json("status", "--index-digest") for node in world.nodes]
    views = {json.dumps([one["heads_digest"], one["index_digest"]]) for one in found}
    return len(views) == 1
