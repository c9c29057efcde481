"""Legal hold: what is held leaves every store, is sealed to its custodian, and can be proven by nobody else."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from node.content import names
from node.custody import files
from node.errors import ConfigError, Refused
from node.exchange import consult, erase, hold, references
from node.exchange.exchange import Exchange
from node.exchange.hold import Held
from node.exchange.references import Address
from node.feed.box import Hpke
from node.feed.keys import HeaderHash
from node.store import ledger, payloads, stores
from node.store import vault as vaults
from node.store.erasures import Reason
from node.store.payloads import State
from node.store.vault import Covered, Ground, Hold, Vault
from tests.exchange.conftest import node_in
from tests.exchange.test_erase import DIGESTS, digests_draft, holds, secrets_of, shows_none, sweep
from tests.exchange.test_odd_order import ENDS_MS, hash_of, said, take
from tests.exchange.test_standing import standing_values
from tests.simulator.members import BASE_MS, Federation

SECRET = bytes([7]) * 32
CUSTODIAN = X25519PrivateKey.from_private_bytes(SECRET).public_key().public_bytes_raw()
MADE = Hold(
    id=b"h" * 16,
    made_ms=BASE_MS,
    by="dpo",
    authority="AG Halle",
    reference="12 Gs 34/26",
    ground=Ground.COURT_ORDER,
    review_ms=BASE_MS + 1,
    end_ms=BASE_MS + 2,
    custodian=CUSTODIAN,
    covers=(),
)


@pytest.fixture(autouse=True)
def _chance(node: Exchange, author: Exchange) -> None:
    """Keys that can be searched for, and a custodian whose key is one: the other tests wrap by a stand-in."""
    for number, one in enumerate((node, author)):
        reader = replace(one.reader, wrapping=Hpke())
        one.author = replace(one.author, randomness=Random(number).randbytes, reader=reader)


def put(node: Exchange, vault: Vault, covers: Sequence[Covered], *, described: bool = True) -> Hold:
    """Seal, describe and remove, in the order of the node."""
    made = replace(MADE, covers=tuple(covers))
    for one in covers:
        sealed = hold.seal(node.stores, one, made.id, CUSTODIAN, node.trust, node.reader, node.author.randomness)
        vault.seal(made.id, one.entry, sealed)
    if described:
        vault.describe(made)
        remove(node, vault)
    return made


def remove(node: Exchange, vault: Vault) -> int:
    while node.project():
        pass
    found = hold.remaining(node.stores, [one for each in vault.holds for one in each.covers], BASE_MS)
    node.begin_erasing(found)
    erase.apply(node.stores, node.erasures, node.keep, node.reader, node.author.randomness)
    assert node.residue.compact()
    assert all(stores.compact(file) for file in (node.stores.digests, node.stores.index))
    return len(found)


def opened(node: Exchange, folder: Path, made: Hold, secret: bytes = SECRET) -> list[Held]:
    found = []
    for one in made.covers:
        row = ledger.entry(node.stores.ledger, one.entry)
        assert row is not None
        sealed = vaults.sealed(folder, made, one.entry)
        found.append(hold.open_sealed(sealed, made, one, row, node.trust, secret, Hpke()))
    return found


def taken(node: Exchange, author: Exchange) -> HeaderHash:
    (letter,) = said(author, digests_draft())
    take(node, [letter])
    while node.project():
        pass
    return hash_of(node, letter)


def test_a_whole_record_under_hold_leaves_every_file_and_its_custodian_can_prove_who_said_it(
    tmp_path: Path, node: Exchange, author: Exchange
) -> None:
    hash_, folder = taken(node, author), tmp_path / "node"
    secrets, vault = secrets_of(node, hash_), Vault(folder, files.replace_secret)
    assert holds(folder, *DIGESTS, *secrets)
    made = put(node, vault, [Covered(hash_)])
    assert shows_none(folder, *DIGESTS, *secrets), "neither in a store nor in the vault"
    assert payloads.state(node.stores.ledger, hash_) is State.ERASED
    assert node.erasures.whole[hash_] is Reason.HOLD
    (found,) = opened(node, folder, made)
    assert hold.values(found) == [one.hex() for one in DIGESTS]
    assert found.is_proven


def test_of_a_record_only_the_items_under_hold_are_held_and_the_others_go_on_matching(
    tmp_path: Path, node: Exchange, author: Exchange
) -> None:
    hash_, folder = taken(node, author), tmp_path / "node"
    made = put(node, Vault(folder, files.replace_secret), [Covered(hash_, 0b101)])
    assert shows_none(folder, DIGESTS[0], DIGESTS[2])
    assert standing_values(node) == {int.from_bytes(one) for one in (DIGESTS[1], *DIGESTS[3:])}
    (found,) = opened(node, folder, made)
    assert hold.values(found) == [DIGESTS[0].hex(), DIGESTS[2].hex()]
    assert not any(one in found.record.items.digests for one in DIGESTS[3:]), "not the custodian's to see"
    assert not found.is_proven


def test_what_is_under_hold_comes_back_from_nowhere(tmp_path: Path, node: Exchange, author: Exchange) -> None:
    (letter,) = said(author, digests_draft())
    take(node, [letter])
    vault = Vault(tmp_path / "node", files.replace_secret)
    put(node, vault, [Covered(hash_of(node, letter))])
    take(node, [letter])
    assert remove(node, vault) == 0
    assert not standing_values(node)
    assert shows_none(tmp_path / "node", *DIGESTS)


def test_a_crash_before_the_description_holds_nothing_and_one_behind_it_goes_on(
    tmp_path: Path, node: Exchange, author: Exchange
) -> None:
    hash_, folder = taken(node, author), tmp_path / "node"
    made = put(node, Vault(folder, files.replace_secret), [Covered(hash_)], described=False)
    again = Vault(folder, files.replace_secret)
    assert not list((folder / vaults.FOLDER).iterdir()), "what nothing describes is gone"
    assert again.holds == []
    assert standing_values(node)
    put(node, again, [Covered(hash_)], described=False)
    again.describe(made)
    assert remove(node, Vault(folder, files.replace_secret)) == 1
    assert not standing_values(node)


def test_a_hold_that_is_over_keeps_its_description_and_nothing_that_is_sealed(
    tmp_path: Path, node: Exchange, author: Exchange
) -> None:
    hash_, folder = taken(node, author), tmp_path / "node"
    vault = Vault(folder, files.replace_secret)
    made = put(node, vault, [Covered(hash_)])
    ended = vault.end(made, BASE_MS + 5, "the node", "its time is over")
    assert [path.suffix for path in (folder / vaults.FOLDER).iterdir()] == [".json"]
    assert vaults.read(folder) == [ended]
    assert not standing_values(node)
    with pytest.raises(ConfigError, match="cannot be read"):
        opened(node, folder, made)


def test_two_holds_on_one_record_are_two_and_the_second_covers_what_is_left(
    tmp_path: Path, node: Exchange, author: Exchange
) -> None:
    hash_, vault = taken(node, author), Vault(tmp_path / "node", files.replace_secret)
    put(node, vault, [Covered(hash_, 0b1)])
    with pytest.raises(Refused, match="no item 0 that stands"):
        put(node, vault, [Covered(hash_, 0b11)])
    second = replace(MADE, id=b"i" * 16, covers=(Covered(hash_, 0b10),))
    sealed = hold.seal(
        node.stores, second.covers[0], second.id, CUSTODIAN, node.trust, node.reader, node.author.randomness
    )
    vault.seal(second.id, hash_, sealed)
    vault.describe(second)
    assert remove(node, vault) == 1
    assert standing_values(node) == {int.from_bytes(one) for one in DIGESTS[2:]}
    put(node, vault, [Covered(hash_)])
    assert not standing_values(node)


def test_only_the_custodian_opens_it_and_only_under_its_own_hold(
    tmp_path: Path, node: Exchange, author: Exchange
) -> None:
    hash_, folder = taken(node, author), tmp_path / "node"
    made = put(node, Vault(folder, files.replace_secret), [Covered(hash_)])
    with pytest.raises(ConfigError, match="does not open"):
        opened(node, folder, made, secret=bytes([8]) * 32)
    row = ledger.entry(node.stores.ledger, hash_)
    assert row is not None
    sealed = vaults.sealed(folder, made, hash_)
    with pytest.raises(ConfigError, match="does not open"):
        hold.open_sealed(sealed, replace(made, id=b"x" * 16), made.covers[0], row, node.trust, SECRET, Hpke())
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    with pytest.raises(ConfigError, match="was changed"):
        hold.open_sealed(changed, made, made.covers[0], row, node.trust, SECRET, Hpke())


def test_what_expired_cannot_be_held_any_more(tmp_path: Path, node: Exchange, author: Exchange) -> None:
    hash_ = taken(node, author)
    sweep(node, ENDS_MS)
    with pytest.raises(Refused, match="that could be held"):
        put(node, Vault(tmp_path / "node", files.replace_secret), [Covered(hash_)])


def test_a_hold_outlives_the_end_of_what_it_holds_and_lengthens_it_for_nobody(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange
) -> None:
    hash_, other = taken(node, author), node_in(tmp_path / "other", world, 2)
    take(other, said(author, digests_draft(DIGESTS[:2])))
    made = put(node, Vault(tmp_path / "node", files.replace_secret), [Covered(hash_)])
    sweep(node, ENDS_MS)
    sweep(other, ENDS_MS)
    assert not standing_values(other)
    assert len(hold.values(opened(node, tmp_path / "node", made)[0])) == len(DIGESTS)


def test_a_record_and_an_item_are_named_as_they_are_shown(tmp_path: Path, node: Exchange, author: Exchange) -> None:
    hash_ = taken(node, author)
    seen, short = consult.view(node.trust, node.follows, BASE_MS), names.shortest(hash_, [])
    reader = stores.open_to_read(tmp_path / "node")
    assert references.find_all(reader, seen, short) == [Address(hash_)]
    assert references.find_all(reader, seen, f"any/list/{short}:3") == [Address(hash_, 3)]
    assert references.find_all(reader, seen, f"{hash_.hex()}:3") == [Address(hash_, 3)], "as an export names it"
    for typed in ("zzzzz", hash_.hex()[::-1]):
        with pytest.raises(Refused, match="names nothing"):
            references.find_all(reader, seen, typed)
    with pytest.raises(Refused, match="names no record and no item"):
        references.find_all(reader, seen, f"{short}:{10**18}")
    reader.close()


def test_items_that_are_named_twice_or_beside_their_record_are_held_once() -> None:
    hash_ = HeaderHash(bytes(32))
    assert hold.cover([Address(hash_, 3), Address(hash_, 1), Address(hash_, 3)]) == (Covered(hash_, 0b1010),)
    assert hold.cover([Address(hash_, 3), Address(hash_)]) == (Covered(hash_),)
