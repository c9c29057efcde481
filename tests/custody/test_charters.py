"""Charter files: made of cards in any order, read whole or not at all, said in words."""

from pathlib import Path
from typing import get_args

import pytest

from node.custody import charters
from node.errors import Refused
from node.feed import identity, keys
from node.feed.identity import Role
from node.policy import parameters
from node.policy.parameters import TEMPLATE
from node.v1 import header_pb2
from tests.custody.federations import Founder, charter_of, create, five, small


@pytest.fixture(scope="module")
def founders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Founder, ...]:
    return five(tmp_path_factory.mktemp("five"))


def test_five_cards_in_any_order_make_one_charter(founders: tuple[Founder, ...]) -> None:
    data = charter_of(founders)
    assert charter_of(founders[::-1]) == data
    letter, charter, cards = charters.decode(data)
    assert {card.inception.name for card in cards} == {founder.made.card.inception.name for founder in founders}
    assert [card.inception for card in cards] == list(charter.founders)
    assert charter.document == TEMPLATE.encode()
    assert len(letter.cards) == 5


def test_a_changed_bit_is_refused_or_makes_another_federation(founders: tuple[Founder, ...]) -> None:
    data = charter_of(founders)
    federation_id = charters.decode(data)[1].federation_id
    refused = 0
    for position in range(0, len(data) * 8, 37):
        changed = bytearray(data)
        changed[position // 8] ^= 1 << position % 8
        try:
            assert charters.decode(bytes(changed))[1].federation_id != federation_id
        except Refused:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("step", [1, 7])
def test_a_changed_card_is_refused_by_its_name(founders: tuple[Founder, ...], tmp_path: Path, step: int) -> None:
    data = founders[0].made.card_path.read_bytes()
    path = tmp_path / "bka.card"
    for position in range(step, len(data), 11):
        path.write_bytes(data[:position] + bytes((data[position] ^ step,)) + data[position + 1 :])
        with pytest.raises(Refused, match=r"bka\.card is no card or was changed"):
            charters.read_card(path)


def test_a_cards_address_must_be_one(tmp_path: Path) -> None:
    founder = create(tmp_path / "a")
    root = founder.unlock(founder.made.card.inception)
    card = identity.create_card(founder.made.card.inception, founder.made.card.tls_issuer, "\x1b[2J:1", root)
    with pytest.raises(Refused, match="is no host:port"):
        charters.decode_card(card, "a.card")


def test_one_member_twice_and_two_of_one_name_are_refused(founders: tuple[Founder, ...], tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Europol is there twice"):
        charter_of((*founders, founders[2]))
    again = create(tmp_path / "again", "EUROPOL", Role.EUROPOL, "EU")
    with pytest.raises(Refused, match="two founders are called") as caught:
        charter_of((*founders, again))
    assert again.made.fingerprint in caught.value.reason
    with pytest.raises(Refused, match="not 0"):
        charter_of(())


def test_a_charter_its_founders_cannot_bring_into_force_is_refused(founders: tuple[Founder, ...]) -> None:
    with pytest.raises(Refused, match=r"quorums\.accept needs 4 of"):
        charter_of(founders[:3])
    with pytest.raises(Refused, match="from 5 countries"):
        charter_of(founders, TEMPLATE.replace("count = 4, countries = 2", "count = 4, countries = 5"))
    assert charter_of(founders[:1], small())


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[crisis]", "[crises]", "unknown field `crises`"),
        ("longest_hours", "longst_hours", "unknown field `longst_hours`"),
        ("longest_hours = 336", "longest_hours = 47", "default_hours is more than"),
        ("longest_hours = 336", "longest_hours = 0", ">= 1"),
        ("count = 4", "count = 0", ">= 1"),
        ("count = 4", "count = 256", "<= 255"),
        ("count = 4", "count = true", "Expected `int`"),
        ('declare = ["authority", "europol"]', 'declare = ["authorities"]', "authorities"),
        ("platform = { count = 3", "platforms = { count = 3", "platform"),
        ('roles = ["authority"] }', "roles = [] }", "length >= 1"),
        ('name = "Example federation"', 'name = ""', "characters that can be seen"),
        ('name = "Example federation"', r'name = "a\u001b[2Jb"', "characters that can be seen"),
        ('name = "Example federation"', r'name = "a\u202Eb"', "characters that can be seen"),
        ('name = "Example federation"', "", "missing required field `name`"),
        ('name = "eu-ocrf"', r'name = "eu\u001bocrf"', "frameworks"),
        ("[rights]", "[rights", "line"),
    ],
)
def test_a_slip_in_the_text_is_named(founders: tuple[Founder, ...], old: str, new: str, reason: str) -> None:
    assert old in TEMPLATE
    with pytest.raises(Refused, match=reason) as caught:
        charters.create(
            TEMPLATE.replace(old, new, 1), [charters.read_card(f.made.card_path) for f in founders], "f.toml"
        )
    assert caught.value.reason.startswith("f.toml: ")
    assert "tocsin charter template" in caught.value.next_step


def test_the_roles_of_the_text_are_those_of_the_format() -> None:
    assert set(get_args(parameters.RoleName)) == {role.name.lower() for role in Role} == set(parameters.ROLES)


def without(letter: header_pb2.CharterFile, place: int) -> bytes:
    del letter.cards[place]
    return letter.SerializeToString()


def test_the_cards_must_be_the_founders_and_all_of_them(founders: tuple[Founder, ...], tmp_path: Path) -> None:
    data = charter_of(founders)
    with pytest.raises(Refused, match="not those of its founders"):
        charters.decode(without(header_pb2.CharterFile.FromString(data), 0))
    odd, _ = charters.read_card(create(tmp_path / "odd", "Somebody else").made.card_path)
    letter = header_pb2.CharterFile.FromString(data)
    letter.cards.append(odd)
    with pytest.raises(Refused, match="Somebody else"):
        charters.decode(letter.SerializeToString())
    letter = header_pb2.CharterFile.FromString(data)
    letter.cards.append(letter.cards[0])
    with pytest.raises(Refused, match="there twice"):
        charters.decode(letter.SerializeToString())


def test_a_charter_with_another_name_than_its_text_is_refused(founders: tuple[Founder, ...]) -> None:
    letter = header_pb2.CharterFile.FromString(charter_of(founders))
    inner = header_pb2.Charter.FromString(letter.charter)
    inner.name = "Another"
    letter.charter = inner.SerializeToString()
    with pytest.raises(Refused, match="two names"):
        charters.decode(letter.SerializeToString())


@pytest.mark.parametrize("data", [b"", b"junk", bytes(1000), b"\x0a\x02\x08\x02"])
def test_what_is_no_charter_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "c.tocsin").write_bytes(data)
    with pytest.raises(Refused, match=r"c\.tocsin is no charter or was changed"):
        charters.read(tmp_path / "c.tocsin")


def test_a_charter_is_described_in_words(founders: tuple[Founder, ...]) -> None:
    _, charter, _ = charters.decode(charter_of(founders))
    words = "\n".join(charters.describe(charter))
    assert words.startswith("Example federation: 5 founders\n")
    for founder in founders:
        assert founder.made.fingerprint in words
    assert "  Tech Forum, industry body, no country, " in words
    assert (
        "In force after acceptance by 4 of authority or europol or industry body or platform, from 2 countries."
        in words
    )
    assert "Removing a member for good takes 3 of authority or europol, from 2 countries." in words
    assert "Europol: admitted by 3 of authority, from 2 countries (more than the founders are)." in words
    assert "May declare a crisis: authority or europol." in words
    assert "A crisis ends by itself after 48 h, at most 336 h." in words
    assert "Frameworks: eu-ocrf 2026-03 (1817537c3c24)." in words


def test_a_federation_id_is_read_out_like_a_fingerprint(founders: tuple[Founder, ...]) -> None:
    charter = charters.decode(charter_of(founders))[1]
    assert charters.readable_id(charter).replace(" ", "") == keys.readable(charter.federation_id, 20)
