"""What a real member says in records that are sealed and signed as they should be, and odd inside."""

import asyncio
from typing import Any

from tests.acts import declare, fresh_name
from tests.federation import Node
from tests.hostile import letters, member, talking
from tests.hostile.conftest import Scene
from tests.hostile.member import Head, Said, crisis_record, now_ms
from tests.vectors import wire

BEHIND = "after what is odd"
STEERING = "\x1b[2J\x1b]0;evil\x07\u202e[bold red]\r\n\x00"
FAR_MS = 2**63 - 1
GREEN = wire.message({1: 2})

BROKEN = {
    "no record": b"\xff\xff\xff",
    "nothing": b"",
    "a kind that is not the header's": wire.message({1: 80, 4: GREEN}),
}
ODD: dict[str, dict[str, Any]] = {
    "a title that steers a terminal": {"title": STEERING + "odd"},
    "a title without an end": {"title": "x" * 200_000},
    "an end beyond all calendars": {"ends_ms": FAR_MS},
    "an end before all calendars": {"ends_ms": 2**64 - 2**62},
    "a beginning beyond all calendars": {"starts_ms": FAR_MS},
    "no end": {"ends_ms": 0},
    "a framework that steers a terminal": {"framework": STEERING.encode()},
    "no handling mark": {"handling": b""},
    "another exercise flag": {"exercise": 1},
    "thousands of linked crises": {"more": letters.repeated(15, [bytes(32)] * 5_000)},
}


async def said(scene: Scene, plaintext: bytes, **changed: int | bytes) -> Said:
    """A declaration of the hostile's, taken in."""
    async with talking.gossip(scene.victim, scene.me) as talk:
        made = scene.me.sealed(await talk.head(scene.me), 82, plaintext, urgency=0, **changed)  # type: ignore[arg-type] # of fields only
        assert (await talk.verdict(letters.entries([made.letter], lane=0)))[1] == ""
        assert await talk.held(made)
    return made


async def test_odd_records_stop_no_command_and_steer_no_terminal(scene: Scene) -> None:
    """Nor any tool that subscribes, as after every test."""
    for plaintext in BROKEN.values():
        await said(scene, plaintext)
    for name, fields in ODD.items():
        object_id = wire.seed(name)[:16]
        plain = crisis_record(**{"title": name, "object_id": object_id, **fields})
        await said(scene, plain, object_id=object_id)
    title = f"{BEHIND} {fresh_name()}"
    object_id = wire.seed(title)[:16]
    await said(scene, member.declaration(title, object_id), object_id=object_id)
    await _shows(scene.one, title)
    for command in (["crisis", "list"], ["status"], ["member"], ["peer", "list"], ["list"]):
        shown = scene.one.cli(*command).stdout
        assert not {"\x1b", "\x07", "\u202e", "\x00", "\r"} & set(shown), command


async def test_what_has_no_mark_or_the_address_of_a_machine_in_it_is_not_shown_so(scene: Scene) -> None:
    """The first is a line of the status; of the second the title is read without it."""
    name = fresh_name()
    for title, handling in ((f"unmarked {name}", b""), (f"{name} von 203.0.113.77 aus", b"\x08\x02")):
        object_id = wire.seed(title)[:16]
        await said(scene, crisis_record(title, object_id, handling=handling), object_id=object_id)
    title = f"{BEHIND} {name}"
    object_id = wire.seed(title)[:16]
    await said(scene, member.declaration(title, object_id), object_id=object_id)
    for node in (scene.one, scene.other):
        await _shows(node, title)
        assert f"unmarked {name}" not in titles(node.json("crisis", "list"))
        shown = node.cli("crisis", "list").stdout
        assert "von [IP address] aus" in " ".join(shown.split())
        assert "203.0.113.77" not in shown
    assert any(one["member_id"] == scene.me.member_id.hex() for one in scene.one.json("status")["unmarked"])


async def _shows(node: Node, title: str) -> None:
    await asyncio.to_thread(node.until, lambda crises: title in titles(crises), "crisis", "list")


def titles(crises: list[Any]) -> set[str]:
    return {one["crisis"]["title"] for one in crises}


async def test_what_a_later_version_adds_to_a_header_is_stored_and_not_effective(scene: Scene) -> None:
    """A field from 64 on: relayed as it came, and no declaration here. Below, it is ignored."""
    found = {}
    for name, number in (("ignored", 63), ("later", 64)):
        title = f"{name} {fresh_name()}"
        object_id = wire.seed(title)[:16]
        async with talking.gossip(scene.victim, scene.me) as talk:
            head = await talk.head(scene.me)
            plain = member.declaration(title, object_id)
            made = scene.me.sealed(head, 82, plain, more=wire.field(number, 1), object_id=object_id, urgency=0)
            assert (await talk.verdict(letters.entries([made.letter], lane=0)))[1] == ""
            assert await talk.held(made) == [made.letter]
        found[name] = title
    behind = f"{BEHIND} {fresh_name()}"
    object_id = wire.seed(behind)[:16]
    await said(scene, member.declaration(behind, object_id), object_id=object_id)
    await _shows(scene.one, behind)
    shown = titles(scene.one.json("crisis", "list"))
    assert found["ignored"] in shown
    assert found["later"] not in shown


async def test_a_copied_payload_speaks_for_nobody(scene: Scene) -> None:
    """The victim's declaration, box and ciphertext as they are, under a header of the hostile's."""
    await declare(scene.one, f"to be copied {fresh_name()}")
    async with talking.gossip(scene.victim, scene.me) as talk:
        theirs = scene.victim.member
        head = await talk.head(theirs)
        newest = map(letters.read, reversed(await talk.span(theirs.feed_id, max(1, head.seq - 63), head.seq)))
        letter, fields = next(  # behind it the victim may have acknowledged what others declared
            (one, of_it) for one in newest if letters.count(of_it := letters.read(letters.octets(one, 1)), 8) == 82
        )
        copied = {number: values[0] for number, values in fields.items() if number >= 7}
        own = await talk.head(scene.me)
        body = wire.message(
            {1: 1, 2: scene.me.feed_id, 3: own.seq + 1, 4: own.hash, 5: now_ms(), 6: fields[6][0], **copied}
        )
        made = scene.me.sign(body, box=letters.octets(letter, 3), payload=letters.octets(letter, 4))
        assert (await talk.verdict(letters.entries([made.letter], lane=0)))[1] == ""
    title = f"{BEHIND} {fresh_name()}"
    object_id = wire.seed(title)[:16]
    await said(scene, member.declaration(title, object_id), object_id=object_id)
    await _shows(scene.one, title)
    shown = scene.one.json("crisis", "list")
    of_object = [one for one in shown if one["object_id"] == letters.octets(fields, 11).hex()]
    assert [one["member_id"] for one in of_object] == [theirs.member_id.hex()]
    assert Head(own.seq + 1, made.hash).hash.hex() not in {one["entry"] for one in shown}
