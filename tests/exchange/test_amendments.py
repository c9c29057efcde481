"""Amendments: complete ones are in force, alike everywhere, as soon as their text is here; others are not."""

import re
from dataclasses import replace
from hashlib import sha256
from itertools import count, permutations
from pathlib import Path

import pytest

from node import limits
from node.content import names
from node.crisis import frameworks
from node.errors import Refused
from node.exchange import amendments, consult, crises, documents
from node.exchange.amendments import Meant, State
from node.exchange.consult import View
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed import amendment
from node.feed.kinds import Kind
from node.feed.quorum import Act
from node.policy import effect
from node.policy.effect import Right
from node.store import ledger
from node.v1 import header_pb2, record_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_odd_order import crisis_draft, said, take, without
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, federation

DAY_MS = 86_400_000
FEW = '{ count = 3, countries = 2, roles = ["authority", "europol"] }'
TEXT = re.sub(r"\{ count = .* \}", FEW, PLAIN).replace("Example federation", "simulated")
PLATFORMS = TEXT.replace('declare = ["authority", "europol"]', 'declare = ["platform"]')
PLATFORM = 12  # members from 10 on are platforms
Letter = header_pb2.SignedEntry


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, TEXT.encode())


def seen_by(node: Exchange, now_ms: int = BASE_MS) -> View:
    while node.project():
        pass
    node.load_documents()
    return consult.view(node.trust, node.follows, now_ms)


def proposed(node: Exchange, text: str = PLATFORMS) -> Meant:
    return amendments.meant_by_text(seen_by(node), text.encode())


def signed(tmp_path: Path, world: Federation, meant: Meant, *numbers: int) -> list[Letter]:
    """The signatures of these members, the first with the text."""
    letters: list[Letter] = []
    for number in numbers:
        author = node_in(tmp_path / f"signer {number} of {meant.hash.hex()[:8]}", world, number)
        letters += said(author, *meant.drafts("simulated", BASE_MS, has_text=number != numbers[0]))
        author.stores.close()
    return letters


def may_declare(seen: View, world: Federation, number: int) -> str:
    return effect.obstacle(Right.DECLARE, world.members[number].member_id, seen.roster, seen.rules)


def test_a_right_comes_with_the_last_signature_and_another_goes(
    tmp_path: Path, world: Federation, node: Exchange
) -> None:
    letters = signed(tmp_path, world, proposed(node), 1, 2, 3)
    platform = node_in(tmp_path / "platform", world, PLATFORM)
    take(node, said(platform, crisis_draft()))
    take(node, letters[:-1])
    before = seen_by(node)
    assert may_declare(before, world, 1) == ""
    assert may_declare(before, world, PLATFORM) == "a platform may not declare"
    assert [one.state for one in crises.every(node.stores, before, "", exercises=False)] == ["proposed"]
    take(node, letters[-1:])
    after = seen_by(node)
    assert (after.roster.rules.number, documents.state(node.trust)) == (1, "amended")
    assert may_declare(after, world, 1) == "an authority may not declare"
    assert may_declare(after, world, PLATFORM) == ""
    assert [one.state for one in crises.every(node.stores, after, "", exercises=False)] == ["active"]


def test_until_its_text_has_come_an_amendment_lets_nobody_do_anything(
    tmp_path: Path, world: Federation, node: Exchange
) -> None:
    letters = signed(tmp_path, world, proposed(node), 1, 2, 3)
    text, first, *others = letters
    take(node, [without(text, "payload"), first, *others])
    waiting = seen_by(node)
    assert documents.state(node.trust) == "waiting"
    assert waiting.rules is None
    assert may_declare(waiting, world, 1) == may_declare(waiting, world, PLATFORM) == effect.UNREAD
    assert [want.hash for want, _ in node.wants(BASE_MS)], "it is wanted, whatever this node follows"
    take(node, [text])
    assert may_declare(seen_by(node), world, PLATFORM) == ""


def test_a_text_that_a_later_version_wrote_lets_nobody_do_anything(
    tmp_path: Path, world: Federation, node: Exchange
) -> None:
    later = f"{PLATFORMS}\n[of_a_later_version]\nkey = 1\n".encode()
    fields = header_pb2.Amend(number=1, document=sha256(later).digest()).SerializeToString()
    meant = replace(proposed(node), statement=fields, text=later)
    take(node, signed(tmp_path, world, meant, 1, 2, 3))
    seen = seen_by(node)
    assert documents.state(node.trust) == "unreadable"
    assert may_declare(seen, world, PLATFORM) == effect.UNREAD


def test_a_record_that_only_takes_the_name_of_a_text_is_passed_over(
    tmp_path: Path, world: Federation, node: Exchange
) -> None:
    meant = proposed(node)
    object_id = documents.object_id(meant.rules.document)
    junk = record_pb2.Record(
        kind=Kind.DOCUMENT, object_id=object_id, document=record_pb2.Document(content=TEXT.encode())
    )
    stranger = node_in(tmp_path / "stranger", world, PLATFORM)
    forged = Draft(
        Kind.DOCUMENT, record=junk.SerializeToString(), object_id=object_id, expires_ms=BASE_MS + 30 * DAY_MS
    )
    take(node, said(stranger, forged))
    text, *others = signed(tmp_path, world, meant, 1, 2, 3)
    take(node, [without(text, "payload"), *others])
    assert seen_by(node).rules is None
    take(node, [text])
    assert may_declare(seen_by(node), world, PLATFORM) == ""


def test_the_text_in_force_survives_a_restart_a_rebuilt_index_and_the_end_of_its_records(
    tmp_path: Path, world: Federation, node: Exchange
) -> None:
    take(node, signed(tmp_path, world, proposed(node), 1, 2, 3))
    assert may_declare(seen_by(node), world, PLATFORM) == ""
    node.rebuild()
    node.stores.commit("index")
    again = Exchange(node.stores, node.trust, node.author, node.erasures)
    again.trust = replace(again.trust, documents={})
    again.start(BASE_MS)
    assert may_declare(seen_by(again), world, PLATFORM) == ""
    again.stores.index.exec_driver_sql("DELETE FROM record")
    again.stores.commit("index")
    again.trust = replace(again.trust, documents={})
    again.start(BASE_MS)
    assert may_declare(seen_by(again), world, PLATFORM) == ""


def test_of_two_complete_amendments_the_smaller_hash_wins_whatever_the_order(
    tmp_path: Path, world: Federation, node: Exchange
) -> None:
    one, other = proposed(node), proposed(node, TEXT.replace("longest_hours = 336", "longest_hours = 100"))
    winner, loser = sorted((one, other), key=lambda meant: meant.hash)
    parts = [signed(tmp_path, world, winner, 1, 2, 3), signed(tmp_path, world, loser, 4, 5, 6)]
    found = set()
    for number, order in enumerate(permutations(parts)):
        reader = node_in(tmp_path / f"reader {number}", world, 7)
        for letters in order:
            take(reader, letters)
            seen_by(reader)
        seen = seen_by(reader)
        found.add((seen.roster.rules.hash, seen.rules == effect.read(winner.text)))
        whole = amendments.history(seen)
        states = {proposal.rules.hash: whole.state(proposal) for proposal in whole.every}
        assert states == {winner.hash: State.IN_FORCE, loser.hash: State.BEATEN}
        with pytest.raises(Refused, match="lost against another"):
            amendments.meant_by_proposal(seen, amendments.named(seen, loser.hash.hex()), loser.text, force=True)
        reader.stores.close()
    assert found == {(winner.hash, True)}


def test_an_amended_quorum_admits_a_member_that_the_charters_would_not(
    tmp_path: Path, world: Federation, node: Exchange
) -> None:
    newcomer = federation(26).members[25]
    one = '{ count = 1, roles = ["authority"] }'
    meant = proposed(node, re.sub(r"platform = .*", f"platform = {one}", TEXT))
    sponsor = node_in(tmp_path / "sponsor", world, 5)
    endorse = header_pb2.Endorse(member_id=newcomer.member_id, role=newcomer.inception.role).SerializeToString()
    take(node, said(sponsor, Draft(Kind.ENDORSE, statement=endorse)))
    assert newcomer.member_id in node.trust.known.candidates
    take(node, signed(tmp_path, world, meant, 1, 2, 3))
    assert newcomer.member_id in node.trust.known.members
    assert seen_by(node).roster.rules.quorums[Act.ADMIT, 4].count == 1


def test_what_a_signature_means_is_refused_where_it_means_nothing(node: Exchange) -> None:
    seen = seen_by(node)
    for text, reason in (
        (TEXT, "nothing changes"),
        (TEXT.replace('"simulated"', '"another"'), "for good"),
        (TEXT.replace("accept = { count = 3", "accept = { count = 2"), "of the charter alone"),
        (TEXT.replace("[rights]", "[rihgts]"), "rihgts"),
        (TEXT + "#" * limits.DOCUMENT_BYTES_MAX, "of text"),
    ):
        with pytest.raises(Refused, match=reason):
            amendments.meant_by_text(seen, text.encode())


def test_a_quorum_that_the_present_members_cannot_meet_is_named(node: Exchange) -> None:
    harder = TEXT.replace("revoke = { count = 3", "revoke = { count = 30")
    meant = proposed(node, harder)
    with pytest.raises(Refused, match=r"quorums\.revoke would need 30 of authority or europol, from 2 countries"):
        amendments.require_open(seen_by(node), meant)
    amendments.require_open(seen_by(node), proposed(node, TEXT.replace("revoke = { count = 3", "revoke = { count = 4")))


def test_only_whose_signature_counts_is_asked_for_one(world: Federation, node: Exchange) -> None:
    seen = seen_by(node)
    amendments.require_entitled(seen, world.members[0].member_id)
    with pytest.raises(Refused, match="signature of a platform does not count"):
        amendments.require_entitled(seen, world.members[PLATFORM].member_id)
    with pytest.raises(Refused, match="not in force yet"):
        amendments.require_entitled(
            replace(seen, roster=replace(seen.roster, in_force=False)), world.members[0].member_id
        )


def test_an_amendment_that_does_other_than_its_text_says_is_not_signed(
    tmp_path: Path, world: Federation, node: Exchange
) -> None:
    honest = proposed(node)
    row = header_pb2.Amend(number=1, document=honest.rules.document, quorums=bytes((5, 0, 1, 0, 1)))
    hidden = replace(honest, statement=row.SerializeToString())
    take(node, signed(tmp_path, world, hidden, 1))
    seen = seen_by(node)
    (proposal,) = amendments.history(seen).every
    with pytest.raises(Refused, match="does not do what its text says"):
        amendments.meant_by_proposal(seen, proposal, honest.text, force=False)
    with pytest.raises(Refused, match="has not come yet"):
        amendments.meant_by_proposal(seen, proposal, None, force=False)


def test_signing_what_was_proposed_is_signing_the_very_same(tmp_path: Path, world: Federation, node: Exchange) -> None:
    meant = proposed(node)
    take(node, signed(tmp_path, world, meant, 1))
    seen = seen_by(node)
    proposal = amendments.named(seen, "1")
    again = amendments.meant_by_proposal(seen, proposal, seen.trust.documents[meant.rules.document], force=False)
    assert (again.statement, again.hash) == (meant.statement, meant.hash)
    assert amendments.named(seen, meant.hash.hex()[:8]) == proposal


def test_a_digit_is_a_number_and_never_the_beginning_of_a_reference(
    tmp_path: Path, world: Federation, node: Exchange
) -> None:
    every = (proposed(node, f"{PLATFORMS}# {number}\n") for number in count())
    meant = next(one for one in every if names.shortest(one.hash, ())[0] in "234567")
    take(node, signed(tmp_path, world, meant, 1))
    called = amendments.history(seen_by(node)).reference(meant.hash)
    assert amendments.named(seen_by(node), called).rules.hash == meant.hash
    with pytest.raises(Refused, match=f"no amendment '{called[0]}'"):
        amendments.named(seen_by(node), called[0])


def test_a_later_amendment_follows_the_one_in_force_and_history_says_how_each_ended(
    tmp_path: Path, world: Federation, node: Exchange
) -> None:
    first = proposed(node)
    take(node, signed(tmp_path, world, first, 1, 2, 3))
    late = proposed_beside(node, first)
    take(node, signed(tmp_path, world, late, 4))
    second = proposed(node, TEXT)
    assert (second.rules.number, second.text) == (2, world.charter.document)
    take(node, signed(tmp_path, world, second, 5, 6))
    seen = seen_by(node)
    views = {view.hash: view for view in amendments.views(seen, amendments.signed_ms(node.stores, seen), {})}
    assert [views[one.hash].state for one in (first, late, second)] == ["in force", "overtaken", "proposed"]
    last = views[second.hash]
    assert ({one.name for one in last.signatures}, last.missing) == ({"Member 5", "Member 6"}, 1)
    assert "Member 7" in last.may_sign
    assert "Member 5" not in last.may_sign
    assert all(one.signed_ms == BASE_MS and one.counts for one in last.signatures)
    take(node, signed(tmp_path, world, second, 7))
    seen = seen_by(node)
    assert seen.rules == effect.read(TEXT.encode())
    whole = amendments.history(seen)
    states = [whole.state(one) for one in whole.every]
    assert sorted(states) == sorted([State.REPLACED, State.OVERTAKEN, State.IN_FORCE])


def proposed_beside(node: Exchange, first: Meant) -> Meant:
    """Another amendment of the same number, whose hash is larger: complete it would lose."""
    for hours in range(60, 200):
        text = TEXT.replace("longest_hours = 336", f"longest_hours = {hours}").encode()
        letter = header_pb2.Amend(number=1, document=sha256(text).digest()).SerializeToString(deterministic=True)
        hash_ = amendment.amendment_hash(node.trust.federation_id, letter)
        if hash_ > first.hash:
            return replace(first, statement=letter, hash=hash_, text=text)
    raise AssertionError


def test_a_text_is_said_again_by_one_signer_after_the_other_a_year_before_it_ends() -> None:
    until_ms = BASE_MS + 365 * DAY_MS
    assert not documents.is_to_be_said_again(until_ms, 0, BASE_MS)
    assert documents.is_to_be_said_again(until_ms, 0, BASE_MS + DAY_MS)
    assert not documents.is_to_be_said_again(until_ms, 1, BASE_MS + DAY_MS)
    assert documents.is_to_be_said_again(until_ms, 1, BASE_MS + 8 * DAY_MS)


def test_the_framework_that_new_rules_name_is_at_hand_with_them_though_it_came_before_and_so_is_the_one_let_go(
    tmp_path: Path, world: Federation, node: Exchange
) -> None:
    framework = frameworks.shipped()[0].text.replace(b'version = "', b'version = "0', 1)
    hash_ = sha256(framework).digest()
    author = node_in(tmp_path / "author", world, 4)
    take(node, said(author, documents.draft(framework, "simulated", "1", BASE_MS)))
    named = TEXT.replace('version = "1"\n', f'version = "1"\nsha256 = "{hash_.hex()}"\n')
    first = proposed(node, named)
    take(node, signed(tmp_path, world, first, 1, 2, 3))
    while node.project():
        pass
    node.load_documents()  # once: nothing more may come
    assert documents.framework_text(node.trust, hash_) == framework
    text, *others = signed(tmp_path, world, proposed(node, named.replace("= 336", "= 300")), 5, 6, 7)
    take(node, [without(text, "payload"), *others])
    node.load_documents()
    assert documents.rules_in_force(node.trust) is None
    node.stores.index.exec_driver_sql("DELETE FROM record")  # what brought it is over
    node.keep_documents([named.replace("= 336", "= 300").encode()])
    assert documents.framework_text(node.trust, hash_) == framework
    author.stores.close()


def test_only_the_text_in_force_is_kept_beside_its_records(tmp_path: Path, world: Federation, node: Exchange) -> None:
    meant = proposed(node)
    letters = signed(tmp_path, world, meant, 1, 2, 3)
    take(node, letters[:-1])
    assert set(seen_by(node).trust.documents) == {meant.rules.document}
    assert ledger.read_meta(node.stores.ledger, "rules") is None
    take(node, letters[-1:])
    seen_by(node)
    assert ledger.read_meta(node.stores.ledger, "rules") == meant.text
