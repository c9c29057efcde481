"""What the law has kept of what is erased goes into the vault first, once, whatever dies in between."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from node.content import names
from node.custody import files
from node.errors import ConfigError, Refused, Unavailable
from node.exchange import drafts, hold
from node.exchange.exchange import Exchange
from node.exchange.tallies import Tallies
from node.feed.box import Hpke
from node.feed.keys import HeaderHash
from node.policy.retention import Policy
from node.runtime.holding import Asked, Holding
from node.runtime.preserving import Preserving
from node.runtime.projecting import Projecting
from node.runtime.reading import Reading
from node.runtime.sweeping import Sweeping
from node.runtime.writer import Writer
from node.store import ledger, payloads
from node.store import vault as vaults
from node.store.erasures import Erasure, Reason
from node.store.payloads import State
from node.store.vault import Ground, Hold, Vault
from node.v1 import record_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_erase import DIGESTS, digests_draft, shows_none
from tests.exchange.test_keeping import policy
from tests.exchange.test_odd_order import hash_of, said, take
from tests.exchange.test_standing import standing_values
from tests.simulator.members import BASE_MS, Federation, federation

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
SECRET = bytes([7]) * 32
CUSTODIAN = X25519PrivateKey.from_private_bytes(SECRET).public_key().public_bytes_raw()
SEEDS = count()  # a hold that is made twice has two ids
MISTAKE, AT_RISK, COURT = 1, 6, 7
TCO = 'minimum = { keep = "6 months", ground = "TCO Art. 6", authority = "BKA" }'
MONTHS_MS = 6 * 730 * HOUR_MS
SIX_MONTHS = policy(f'class = "cryptographic", keep = "as its author allows", {TCO}')


@dataclass
class Time:
    """Both clocks, set by hand."""

    ms: int = BASE_MS

    def now_ms(self) -> int:
        return self.ms

    def monotonic_s(self) -> float:
        return self.ms / 1000


@dataclass
class Machine:
    """Of one node what erases and holds."""

    node: Exchange
    folder: Path
    time: Time
    vault: Vault
    sweeping: Sweeping
    holding: Holding

    async def sweep(self, now_ms: int) -> None:
        self.time.ms = now_ms
        await self.sweeping.sweep()

    @property
    def held(self) -> list[Hold]:
        return [one for one in self.vault.holds if not one.is_over]

    def values(self, one: Hold) -> list[str]:
        """What its custodian reads."""
        found: list[str] = []
        for covered in one.covers:
            row = ledger.entry(self.node.stores.ledger, covered.entry)
            assert row is not None
            sealed = vaults.sealed(self.folder, one, covered.entry)
            opened = hold.open_sealed(sealed, one, covered, row, self.node.trust, SECRET, Hpke())
            found += hold.values(opened)
        return found


def _custodian() -> bytes:
    return CUSTODIAN


@asynccontextmanager
async def machine(
    node: Exchange, folder: Path, custodian: Callable[[], bytes] = _custodian, time: Time | None = None
) -> AsyncIterator[Machine]:
    """On a folder as it is; as the daemon does it at its start."""
    time = time or Time()
    node.start(time.ms)
    writer, reading = Writer(node), Reading(folder)
    await reading.open()
    projecting = Projecting(folder, writer)
    vault = Vault(folder, files.replace_secret)
    preserving = Preserving(vault, custodian, writer, reading, time, Random(next(SEEDS)).randbytes)
    sweeping = Sweeping(writer, projecting, reading, preserving, time, lambda: True)
    holding = Holding(vault, preserving, writer, reading, sweeping, time, lambda: True)
    try:
        await holding.resume()
        yield Machine(node, folder, time, vault, sweeping, holding)
    finally:
        await projecting.close()
        await reading.close()
        await writer.run(lambda _: None)
        writer.close()


@pytest.fixture(name="world", scope="module")
def _world() -> Federation:
    return federation(25)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return tmp_path / "node"


@pytest.fixture(name="author")
def _author(tmp_path: Path, world: Federation) -> Exchange:
    return _with_real_keys(node_in(tmp_path / "author", world, 1), 1)


@pytest.fixture(name="node")
def _node(tmp_path: Path, world: Federation) -> Iterator[Exchange]:
    made = _with_real_keys(node_in(tmp_path / "node", world, 0), 0)
    made.change_policy(SIX_MONTHS, BASE_MS)
    yield made
    made.stores.close()


def _with_real_keys(one: Exchange, number: int) -> Exchange:
    one.author = replace(one.author, randomness=Random(number).randbytes, reader=replace(one.reader, wrapping=Hpke()))
    return one


def taken(node: Exchange, author: Exchange) -> HeaderHash:
    (letter,) = said(author, digests_draft())
    take(node, [letter])
    while node.project():
        pass
    return hash_of(node, letter)


def withdraw(node: Exchange, author: Exchange, hash_: HeaderHash, bits: int, reason: int) -> None:
    take(node, said(author, drafts.withdrawal(hash_, bits, reason)))
    while node.project():
        pass


def asked(item: str, *, end_ms: int = BASE_MS + 7 * DAY_MS) -> Asked:
    """A court's order to hold this."""
    return Asked(
        items=[item],
        by="dpo",
        authority="AG Halle",
        reference="12 Gs 34/26",
        ground="court-order",
        review_ms=BASE_MS + 1,
        end_ms=end_ms,
    )


async def test_what_is_taken_back_before_the_minimum_is_over_is_erased_and_held(
    node: Exchange, author: Exchange, folder: Path
) -> None:
    hash_ = taken(node, author)
    withdraw(node, author, hash_, 0, MISTAKE)
    async with machine(node, folder) as running:
        await running.sweep(BASE_MS + DAY_MS)
        assert payloads.state(node.stores.ledger, hash_) is State.ERASED
        assert node.erasures.whole[hash_] is Reason.WITHDRAWAL
        (held,) = running.held
        assert running.values(held) == [one.hex() for one in DIGESTS]
        assert (held.ground, held.authority, held.reference) == (Ground.LEGAL_MINIMUM, "BKA", "TCO Art. 6")
        assert (held.end_ms, held.review_ms) == (BASE_MS + MONTHS_MS, BASE_MS + 91 * DAY_MS)
        assert not standing_values(node)
        kept = hold.kept(running.vault.holds)[hash_]
        assert (kept.ground, kept.until_ms) == (hold.SAID[Ground.LEGAL_MINIMUM], held.end_ms)


async def test_a_hold_of_the_law_ends_by_itself_and_both_are_audited(
    node: Exchange, author: Exchange, folder: Path
) -> None:
    hash_ = taken(node, author)
    node.acts = Tallies()
    withdraw(node, author, hash_, 0, MISTAKE)
    async with machine(node, folder) as running:
        await running.sweep(BASE_MS + DAY_MS)
        running.time.ms = BASE_MS + MONTHS_MS
        await running.holding.end_what_is_over()
        assert running.held == []
        assert [path.suffix for path in (folder / vaults.FOLDER).iterdir()] == [".json"]
        lines = {one.act: one for one in node.acts.take(0, everything=True)}
        assert lines["hold add"].why.code == lines["hold end"].why.code == "legal-minimum"
        assert lines["hold add"].what == lines["hold end"].what == (f"hold:{running.vault.holds[0].id.hex()}",)
        assert "erase" in lines
    assert shows_none(folder, *DIGESTS)


async def test_of_a_record_only_what_goes_is_held_and_it_is_held_once(
    node: Exchange, author: Exchange, folder: Path
) -> None:
    hash_ = taken(node, author)
    withdraw(node, author, hash_, 0b101, MISTAKE)
    async with machine(node, folder) as running:
        await running.sweep(BASE_MS + DAY_MS)
        assert len(standing_values(node)) == len(DIGESTS) - 2, "the others go on matching"
    withdraw(node, author, hash_, 0b1101, MISTAKE)
    async with machine(node, folder) as running:
        await running.sweep(BASE_MS + 3 * DAY_MS)
        found = sorted(value for one in running.held for value in running.values(one))
        assert found == [DIGESTS[0].hex(), DIGESTS[2].hex(), DIGESTS[3].hex()]


async def test_what_is_older_than_the_minimum_goes_and_nothing_is_held(
    node: Exchange, author: Exchange, folder: Path
) -> None:
    node.change_policy(policy('class = "any", keep = "1 d", ' + TCO.replace("6 months", "1 d")), BASE_MS)
    hash_ = taken(node, author)
    async with machine(node, folder) as running:
        await running.sweep(BASE_MS + DAY_MS)
        assert payloads.state(node.stores.ledger, hash_) is State.ERASED
        assert running.held == []


@pytest.mark.parametrize(
    ("by", "reason", "day"),
    [
        (policy(f'class = "any", keep = "1 d", {TCO}'), Reason.POLICY, 1),
        (policy('class = "any", keep = "as its author allows", ' + TCO.replace("6 m", "60 m")), Reason.EXPIRY, 40),
    ],
)
async def test_whoever_has_it_erased_it_is_held(
    node: Exchange, author: Exchange, folder: Path, by: Policy, reason: Reason, day: int
) -> None:
    node.change_policy(by, BASE_MS)
    hash_ = taken(node, author)
    async with machine(node, folder) as running:
        await running.sweep(BASE_MS + day * DAY_MS)
        assert node.erasures.whole[hash_] is reason
        (held,) = running.held
        assert running.values(held) == [one.hex() for one in DIGESTS]


async def test_a_minimum_behind_the_erasure_begins_when_it_is_erased(
    node: Exchange, author: Exchange, folder: Path
) -> None:
    node.change_policy(policy('class = "any", keep = "2 d", ' + TCO.replace("}", ', after = "erased" }')), BASE_MS)
    taken(node, author)
    async with machine(node, folder) as running:
        await running.sweep(BASE_MS + 2 * DAY_MS)
        (held,) = running.held
        assert held.end_ms == BASE_MS + 2 * DAY_MS + MONTHS_MS


@pytest.mark.parametrize("reason", [AT_RISK, COURT])
async def test_what_endangers_somebody_goes_at_once_and_the_hold_is_to_be_reviewed_at_once(
    node: Exchange, author: Exchange, folder: Path, reason: int
) -> None:
    hash_ = taken(node, author)
    withdraw(node, author, hash_, 0, reason)
    async with machine(node, folder) as running:
        await running.sweep(BASE_MS + 1)
        assert payloads.state(node.stores.ledger, hash_) is State.ERASED
        (held,) = running.held
        assert held.state(BASE_MS + 1) == "review"
        await running.holding.release(held, "dpo", "no duty outweighs this")
        assert running.held == []
    async with machine(node, folder, time=running.time) as again:
        assert again.held == [], "released is released"


async def test_a_drill_is_under_no_duty(node: Exchange, author: Exchange, folder: Path) -> None:
    drill = record_pb2.Record.FromString(digests_draft().record)
    drill.exercise = True
    (letter,) = said(author, replace(digests_draft(), exercise=True, record=drill.SerializeToString()))
    take(node, [letter])
    withdraw(node, author, hash_of(node, letter), 0, AT_RISK)
    async with machine(node, folder) as running:
        await running.sweep(BASE_MS + DAY_MS)
        assert node.erasures.whole[hash_of(node, letter)] is Reason.WITHDRAWAL
        assert running.held == []


async def test_what_a_court_has_held_for_a_week_is_under_the_minimum_all_the_same(
    node: Exchange, author: Exchange, folder: Path
) -> None:
    hash_ = taken(node, author)
    async with machine(node, folder) as running:
        court = await running.holding.add(asked(f"{names.shortest(hash_, [])}:0"))
        await running.holding.release(court, "dpo", "proceedings closed")
        (held,) = running.held
        assert (held.ground, running.values(held)) == (Ground.LEGAL_MINIMUM, [DIGESTS[0].hex()])


async def test_without_a_custodian_nothing_goes_that_the_law_has_kept(
    node: Exchange, author: Exchange, folder: Path
) -> None:
    hash_ = taken(node, author)
    withdraw(node, author, hash_, 0, MISTAKE)

    there: list[bytes] = []

    def maybe() -> bytes:
        if not there:
            raise Refused("this node has no custodian, so nothing can be held")
        return there[0]

    async with machine(node, folder, maybe) as running:
        with pytest.raises(Unavailable, match="no custodian"):
            await running.sweep(BASE_MS + DAY_MS)
        assert payloads.state(node.stores.ledger, hash_) is State.PRESENT
        assert not node.erasures.whole
        there.append(CUSTODIAN)
        await running.sweep(BASE_MS + DAY_MS + 1)
        assert node.erasures.whole[hash_] is Reason.WITHDRAWAL, "as soon as it can be held"
        assert len(running.held) == 1


# ---- Others in between


async def test_a_hold_that_ends_while_another_is_made_takes_nothing_of_it(
    node: Exchange, author: Exchange, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = taken(node, author), taken(node, author)
    async with machine(node, folder) as running:
        short = await running.holding.add(asked(names.shortest(first, []), end_ms=BASE_MS + DAY_MS))
        describe = Vault.describe

        def described(vault: Vault, made: Hold) -> None:
            if made.id != short.id:
                vault.end(short, BASE_MS + DAY_MS, vaults.NODE, "its time is over")
            describe(vault, made)

        monkeypatch.setattr(Vault, "describe", described)
        made = await running.holding.add(asked(names.shortest(second, [])))
        assert made in running.held
        assert running.values(made) == [one.hex() for one in DIGESTS]


async def test_a_hold_goes_on_to_its_end_where_whoever_asked_for_it_leaves(
    node: Exchange, author: Exchange, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hash_, begun, may_go_on = taken(node, author), asyncio.Event(), asyncio.Event()
    async with machine(node, folder) as running:
        erase = Sweeping.erase

        async def slowly(sweeping: Sweeping, found: Sequence[Erasure]) -> None:
            begun.set()
            await may_go_on.wait()
            await erase(sweeping, found)

        monkeypatch.setattr(Sweeping, "erase", slowly)
        adding = asyncio.create_task(running.holding.add(asked(names.shortest(hash_, []))))
        await begun.wait()
        adding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await adding
        seen = running.sweeping.news.version
        may_go_on.set()
        async with asyncio.timeout(10):
            await running.sweeping.news.newer(seen)
        assert payloads.state(node.stores.ledger, hash_) is State.ERASED
        assert not standing_values(node)


async def test_what_is_held_and_could_not_be_taken_out_of_use_is_tried_again(
    node: Exchange, author: Exchange, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hash_ = taken(node, author)

    async def full(*_: object) -> None:
        raise Unavailable("the disk is full")

    async with machine(node, folder) as running:
        with monkeypatch.context() as patched:
            patched.setattr(Sweeping, "erase", full)
            with pytest.raises(Unavailable):
                await running.holding.add(asked(names.shortest(hash_, [])))
        assert standing_values(node)
        await running.holding.look()
        assert not standing_values(node)


async def test_a_full_disk_neither_ends_the_node_nor_leaves_anything_sealed_that_is_not_described(
    node: Exchange, author: Exchange, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = taken(node, author), taken(node, author)

    def full(path: Path, data: bytes) -> None:
        if path.suffix == ".json":
            raise ConfigError(f"{path} cannot be written: No space left on device", next_step="Make room.")
        files.replace_secret(path, data)

    async with machine(node, folder) as running:
        made = await running.holding.add(asked(names.shortest(first, [])))
        with monkeypatch.context() as patched:
            patched.setattr(running.vault, "_write", full)
            with pytest.raises(Unavailable, match="No space left"):
                await running.holding.add(asked(names.shortest(second, [])))
            running.time.ms = made.end_ms
            await running.holding.look()
        assert {path.name.partition("-")[0] for path in (folder / vaults.FOLDER).glob("*.held")} == {
            one.id.hex() for one in running.held
        }
        assert made in running.held, "it ends when there is room"
        await running.holding.look()
        assert made not in running.held


# ---- A stop in between


class PowerCutError(Exception):
    """The machine stopped here."""


def _cut_method(owner: type, name: str, monkeypatch: pytest.MonkeyPatch, *, behind: bool) -> None:
    """The next call of it is the last thing that happens, done or not."""
    act = getattr(owner, name)

    def dying(*given: object) -> None:
        if behind:
            act(*given)
        raise PowerCutError

    monkeypatch.setattr(owner, name, dying)


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("step", ["seal", "describe", "begin_erasing", "finish_erasing"])
async def test_a_stop_between_the_sealed_copy_and_the_erasure_loses_nothing_and_doubles_nothing(
    node: Exchange, author: Exchange, folder: Path, step: str, behind: bool
) -> None:
    hash_ = taken(node, author)
    withdraw(node, author, hash_, 0, MISTAKE)
    with pytest.MonkeyPatch.context() as patched:
        async with machine(node, folder) as running:
            owner = Vault if step in ("seal", "describe") else Exchange
            _cut_method(owner, step, patched, behind=behind)
            with pytest.raises(PowerCutError):
                await running.sweep(BASE_MS + DAY_MS)
    async with machine(node, folder, time=Time(BASE_MS + DAY_MS)) as again:
        await again.sweep(BASE_MS + DAY_MS)
        await again.sweep(BASE_MS + 2 * DAY_MS)
        assert payloads.state(node.stores.ledger, hash_) is State.ERASED
        (held,) = again.held
        assert again.values(held) == [one.hex() for one in DIGESTS]
        assert len(list((folder / vaults.FOLDER).glob("*.held"))) == 1
        assert not standing_values(node)
