"""Look-ups as tools make them, with a real daemon: streams of them, every kind, and right from the first answer on."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from node import limits
from node.client import Client, Received, Unverified
from node.content import hashes
from node.content.hashes import Item, Value
from node.custody import joining
from node.errors import Refused
from node.exchange import project
from node.feed.kinds import Kind
from node.rpc import channel
from node.rpc.tools import ToolsServicer
from node.store import arrivals, stores
from node.v1 import record_pb2, tools_pb2, tools_pb2_grpc
from tests.federation import GUARD_S, Node, federation
from tests.test_client import DIGESTS, node_of

COUNT, ROUNDS_MAX = 60_000, 20
TEXTS = {
    "ssdeep": ["3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C", "3::"],
    "url": ["https://t.example/a", "https://t.example/ä"],
    "vpdq": [f"0,100,{'0f' * 32},0.000;1,100,{'f0' * 32},1.000"],
    "tmk": [base64.b64encode(b"TMK1".ljust(263_344)).decode()],
}


def digest(number: int) -> bytes:
    return sha256(number.to_bytes(8)).digest()


def client_of(node: Node) -> Client:
    return Client.on_socket(node.config.socket, joining.read_charter(node.config).federation_id)


def draft(name: str, kind: str = "sha256") -> tools_pb2.ListDraft:
    return tools_pb2.ListDraft(name=name, kind=kind, handling=record_pb2.Handling(tlp=2))


@pytest.fixture(scope="module", name="node")
def _node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A member that lists the even ones of 10,000."""

    async def publish(running: Node) -> None:
        async with client_of(running) as client:
            await client.publish_list(draft("even"), [digest(i) for i in range(0, 10_000, 2)])

    with federation(tmp_path_factory.mktemp("f"), 1) as (running,):
        asyncio.run(publish(running))
        yield running


@pytest.fixture(name="client")
async def _client(node: Node) -> AsyncIterator[Client]:
    async with asyncio.timeout(GUARD_S), client_of(node) as opened:
        yield opened


# ---- Streams


async def count(answers: AsyncIterator[Sequence[tools_pb2.Match]], found: list[int]) -> None:
    """How many matches each batch has, as far as it gets."""
    async for matches in answers:
        found.append(len(matches))  # noqa: PERF401 - what came before an error is wanted, too


async def test_every_batch_is_answered_in_its_turn(client: Client) -> None:
    batches = [[digest(j) for j in range(i, i + i % 40)] for i in range(500)]
    found = [[match.index for match in matches] async for matches in client.look_up_stream("sha256", batches)]
    assert found == [[j for j in range(i % 40) if (i + j) % 2 == 0] for i in range(500)]


async def test_an_endless_source_is_answered_as_it_comes(client: Client) -> None:
    answered = asyncio.Event()

    async def source() -> AsyncIterator[Sequence[Value]]:
        for i in range(200):
            yield [digest(2 * i)]
            await answered.wait()
            answered.clear()

    answers = 0
    async for (match,) in client.look_up_stream("sha256", source()):
        assert match.index == 0
        answers += 1
        answered.set()
    assert answers == 200


async def test_what_the_source_raises_is_raised_behind_the_answers_before_it(client: Client) -> None:
    def source() -> Iterator[Sequence[Value]]:
        yield [digest(0)]
        yield [digest(1)]
        raise ValueError("line 3 is no digest")

    found: list[int] = []
    with pytest.raises(ValueError, match="line 3"):
        await count(client.look_up_stream("sha256", source()), found)
    assert found == [1, 0]


async def test_a_refused_question_ends_the_stream_and_is_named_behind_the_answers_before_it(client: Client) -> None:
    batches = [[digest(i)] for i in range(7)] + [[b"short"]] + [[digest(i)] for i in range(200)]
    found: list[int] = []
    with pytest.raises(Refused, match="question 7: value 0: sha256 has 32 bytes, got 5") as refused:
        await count(client.look_up_stream("sha256", batches), found)
    assert found == [1, 0] * 3 + [1]
    assert refused.value.field == "values"


async def test_an_empty_stream_and_empty_batches_are_answered(client: Client) -> None:
    assert [found async for found in client.look_up_stream("sha256", [])] == []
    assert [list(found) async for found in client.look_up_stream("sha256", [[], [digest(1)]])] == [[], []]


async def test_whoever_leaves_a_stream_leaves_nothing_behind(node: Node, client: Client) -> None:
    for _ in range(20):
        async for _ in client.look_up_stream("sha256", ([digest(i)] for i in range(100_000))):
            break
    assert [len(found) async for found in client.look_up_stream("sha256", [[digest(0)]])] == [1]
    assert node.runs


async def test_no_more_is_read_of_a_stream_than_can_be_under_way(client: Client) -> None:
    taken = 0

    def source() -> Iterator[Sequence[Value]]:
        nonlocal taken
        for i in range(10_000):
            taken += 1
            yield [digest(i)]

    answers = client.look_up_stream("sha256", source())
    for answered in range(1, 100):
        await anext(answers)
        assert taken <= answered + limits.QUESTIONS_UNDER_WAY_MAX
    await answers.aclose()


async def test_ids_come_back_as_they_were_sent(node: Node) -> None:
    async with asyncio.timeout(GUARD_S), channel.open_to_administrator(node.config.socket) as opened:
        call = tools_pb2_grpc.ToolsStub(opened).LookUpStream()
        for id_ in (7, 2**64 - 1, 7):
            request = tools_pb2.LookUpRequest(kind="sha256", values=[digest(0)])
            await call.write(tools_pb2.LookUpStreamRequest(id=id_, request=request))
        await call.done_writing()
        assert [answer.id async for answer in call] == [7, 2**64 - 1, 7]


class Swapping(ToolsServicer):
    """Answers questions that were not asked yet."""

    async def LookUpStream(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802
        async for answer in super().LookUpStream(request_iterator, context):
            answer.id += 1
            yield answer


class Forgetting(ToolsServicer):
    """Keeps an answer back."""

    async def LookUpStream(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802
        async for answer in super().LookUpStream(request_iterator, context):
            if answer.id < 2:
                yield answer


class Inventing(ToolsServicer):
    """Says of the first value what holds for the second."""

    async def LookUpStream(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802
        async for answer in super().LookUpStream(request_iterator, context):
            for match in answer.response.matches:
                match.index = 0
            yield answer


@pytest.mark.parametrize(
    ("servicer", "reason"),
    [(Swapping, "not the next"), (Forgetting, "without an answer"), (Inventing, "does not stand in the signed record")],
)
async def test_a_node_that_answers_something_else_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servicer: type[ToolsServicer], reason: str
) -> None:
    async with node_of(tmp_path, monkeypatch, servicer) as node, client_of(node) as client:
        with pytest.raises(Unverified, match=reason):
            await count(client.look_up_stream("sha256", [[bytes(32), DIGESTS[0]]] * 3), [])


async def test_another_kinds_record_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Renaming(ToolsServicer):
        async def LookUp(self, request: Any, context: Any) -> tools_pb2.LookUpResponse:  # noqa: N802
            asked = tools_pb2.LookUpRequest(kind="sha256", values=request.values)
            answer: tools_pb2.LookUpResponse = await super().LookUp(asked, context)
            return answer

    async with node_of(tmp_path, monkeypatch, Renaming) as node, client_of(node) as client:
        assert len(await client.look_up("sha256", DIGESTS[:1])) == 1
        with pytest.raises(Unverified, match="does not stand in the signed record"):
            await client.look_up("pdq", DIGESTS[:1])


# ---- Kinds


@pytest.mark.parametrize("kind", hashes.KINDS)
async def test_values_of_every_kind_are_published_found_and_proven(client: Client, kind: str) -> None:
    size = hashes.KINDS[kind].digest_bytes
    values: Sequence[Value] = TEXTS.get(kind) or [bytes([i]) * size for i in (1, 2)]
    await client.publish_list(draft(f"all-{kind}", kind), values)
    found = await client.look_up(kind, list(reversed(values)))
    assert [one.index for one in found] == list(range(len(values)))
    assert {one.list for one in found} == {f"ministry-a/all-{kind}"}


async def test_a_picture_of_low_quality_matches_nothing_and_a_good_one_says_its_quality(client: Client) -> None:
    pictures = [Item(hashes.PDQ, digest(i), quality) for i, quality in enumerate([30, 31, 100, None])]
    low = draft("low", "pdq")
    low.quality_floor = 31
    await client.publish_list(low, pictures[1:])
    found = await client.look_up("pdq", [one.value for one in pictures])
    qualities = [(one.index, one.quality if one.HasField("quality") else None) for one in found]
    assert qualities == [(1, 31), (2, 100), (3, None)]


# ---- After a restart


def is_behind(node: Node) -> bool:
    """Whether something had arrived that look-ups did not find yet."""
    reader = stores.open_to_read(node.config.data_folder)
    here = project.cursor(reader)
    last = arrivals.last(reader.ledger, project.store_id(reader))
    reader.close()
    return here.bulk < last.bulk


async def cut_off(node: Node, name: str, values: Sequence[bytes]) -> None:
    """Kill the daemon as soon as the first of these are found."""
    async with client_of(node) as client:
        publishing = asyncio.create_task(client.publish_list(draft(name), values))
        while not any(one.list.name == name and one.items for one in await client.lists()):
            pass
        await asyncio.to_thread(node.kill)
        publishing.cancel()
        await asyncio.wait([publishing])


async def found_of(client: Client, values: Sequence[bytes]) -> set[bytes]:
    step = limits.VALUES_PER_LOOK_UP_MAX
    parts = [values[start : start + step] for start in range(0, len(values), step)]
    answers = client.look_up_stream("sha256", parts)
    return {part[match.index] for part in parts for match in await anext(answers)}


async def arrived_of(client: Client) -> set[bytes]:
    """What stands in the ledger, of which the index is made."""
    found: set[bytes] = set()
    async for event in client.subscribe("arrived", kinds_wanted=[Kind.ITEMS]):
        if not isinstance(event, Received):
            return found
        assert event.record is not None
        packed = event.record.items.digests
        found |= {packed[i : i + 32] for i in range(0, len(packed), 32)}
    raise AssertionError


async def test_the_first_answer_after_a_kill_amid_projecting_is_right(tmp_path: Path) -> None:
    with federation(tmp_path, 1) as (node,):
        for number in range(ROUNDS_MAX):
            values = sorted(digest(i) for i in range(number * COUNT, (number + 1) * COUNT))
            await cut_off(node, f"list-{number}", values)
            behind = is_behind(node)
            async with client_of(node) as client:
                starting = asyncio.create_task(asyncio.to_thread(node.start))
                found = await found_of(client, values)  # the connection is tried until somebody listens
                await starting
                assert found == await arrived_of(client) & set(values)
            if behind:
                return
        raise AssertionError("no round was cut off amid projecting")


async def test_nobody_is_answered_before_everything_that_arrived_is_projected(tmp_path: Path) -> None:
    values = sorted(digest(i) for i in range(5 * COUNT))
    with federation(tmp_path, 1) as (node,):
        async with client_of(node) as client:
            await client.publish_list(draft("long"), values)
        node.kill()
        for path in [*node.config.data_folder.glob("index.db*"), *node.config.data_folder.glob("digests.db*")]:
            path.unlink()
        node.start()
        async with client_of(node) as client:
            assert len(await client.look_up("sha256", values[-1000:])) == 1000
