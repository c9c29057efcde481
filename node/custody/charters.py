"""The charter file: written from a commented text and the founders' cards, read back whole or not at all."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from google.protobuf.message import DecodeError

from node import limits
from node.content import addresses
from node.custody import files
from node.errors import Malformed, Refused
from node.feed import charter as charters
from node.feed import identity, keys, quorum
from node.feed.charter import Charter
from node.feed.identity import Card, Inception, Role
from node.feed.keys import MemberId
from node.feed.quorum import Act
from node.policy import parameters, wording
from node.policy.parameters import Parameters
from node.v1 import header_pb2

CARD_BYTES_MAX = 8192  # of a card file; its parts have 1,000 at most, and each rotation 300
FILE_BYTES_MAX = limits.CHARTER_BYTES_MAX + limits.FOUNDERS_MAX * CARD_BYTES_MAX

_WHO = "the founders"

Signed = tuple[header_pb2.SignedCard, Card]


def decode_card(data: bytes, source: str) -> Signed:
    """A card file's content with both its signatures checked; raises Refused naming where it came from."""
    try:
        letter = header_pb2.SignedCard.FromString(data)
        card = identity.read_card(letter)
    except (DecodeError, Malformed) as error:
        reason = error.reason if isinstance(error, Malformed) else "it is no card file"
        raise Refused(
            f"{source} is no card or was changed: {reason}",
            next_step="Ask its member to send it again, another way.",
            field="card",
        ) from error
    fault = addresses.fault(card.address) if card.address else ""
    if fault:
        raise Refused(f"{source}: {fault}", next_step="Ask its member for a card with a right one.", field="card")
    return letter, card


def read_card(path: Path) -> Signed:
    """A card file."""
    return decode_card(files.read_public(path, CARD_BYTES_MAX), str(path))


def create(text: str, cards: Sequence[Signed], source: str = "the charter's text") -> bytes:
    """The charter file over these founders, in whatever order they come; raises Refused for what cannot be."""
    settings = parameters.decode(text.encode(), source)
    _check_founders([card for _, card in cards])
    ordered = sorted(cards, key=lambda signed: signed[1].inception.member_id)
    try:
        made = charters.create(settings.name, [card for _, card in ordered], settings.rows, text.encode())
    except Malformed as error:
        raise Refused(f"{source}: {error.reason}", next_step="Shorten or mend it.", field="charter") from error
    _check_acceptance(made, source)
    return header_pb2.CharterFile(charter=made.body, cards=[letter for letter, _ in ordered]).SerializeToString(
        deterministic=True
    )


def _check_founders(cards: Sequence[Card]) -> None:
    if not 0 < len(cards) <= limits.FOUNDERS_MAX:
        raise Refused(
            f"a charter has 1 to {limits.FOUNDERS_MAX} founders, not {len(cards)}",
            next_step="Name the founders' cards; others join later.",
            field="card",
        )
    for one, other in combinations(sorted(cards, key=lambda card: card.inception.member_id), 2):
        if one.inception.member_id == other.inception.member_id:
            raise Refused(f"the card of {one.inception.name} is there twice", next_step="Name it once.", field="card")
        if one.inception.name.casefold() == other.inception.name.casefold():
            raise Refused(
                f"two founders are called {one.inception.name}: {keys.fingerprint(one.inception.member_id)} "
                f"and {keys.fingerprint(other.inception.member_id)}",
                next_step="Ask which card is in use: an older one of the same member, or another member's?",
                field="card",
            )
    for card in cards:
        if card.inception.role not in set(Role):
            raise Refused(
                f"{card.inception.name} asks for role {card.inception.role}, which this program does not know",
                next_step="Use the newer version that made the card.",
                field="card",
            )


def _check_acceptance(charter: Charter, source: str) -> None:
    """A charter that its founders cannot bring into force is a mistake in the numbers."""
    needed = charter.quorums[Act.ACCEPT, 0]
    if not quorum.is_met(needed, _people(charter)):
        which = f"these {len(charter.founders)} founders are not"
        raise Refused(
            f"{source}: quorums.accept needs {wording.words(needed)}, which {which}",
            next_step="Lower count or countries, or add roles.",
            field="quorums.accept",
        )


def decode(data: bytes, source: str = "the charter file") -> tuple[header_pb2.CharterFile, Charter, list[Card]]:
    """A charter file's content, everything in it checked; the cards in the order of the founders. Raises Refused."""
    try:
        letter = header_pb2.CharterFile.FromString(data)
        charter = charters.decode(letter.charter)
    except (DecodeError, Malformed) as error:
        reason = error.reason if isinstance(error, Malformed) else "it cannot be read"
        raise Refused(
            f"{source} is no charter or was changed: {reason}",
            next_step="Ask for it again, and compare the federation id by telephone.",
            field="charter",
        ) from error
    if parameters.decode(charter.document, source).name != charter.name:
        raise Refused(f"{source}: it has two names", next_step="Ask who wrote it why.", field="charter")
    found = [decode_card(card.SerializeToString(deterministic=True), f"a card in {source}")[1] for card in letter.cards]
    cards = {card.inception.member_id: card for card in found}
    founders = {founder.member_id: founder.name for founder in charter.founders}
    odd = [name for member_id, name in founders.items() if member_id not in cards]
    odd += [card.inception.name for card in found if card.inception.member_id not in founders]
    if odd or len(found) != len(founders):
        raise Refused(
            f"{source}: the cards are not those of its founders ({', '.join(odd) or 'one is there twice'})",
            next_step="Ask whoever wrote it for the whole file.",
            field="charter",
        )
    return letter, charter, [cards[member_id] for member_id in founders]


def read(path: Path) -> tuple[header_pb2.CharterFile, Charter, list[Card]]:
    """A charter file, everything in it checked: the charter, and each founder's card. Raises Refused."""
    return decode(files.read_public(path, FILE_BYTES_MAX), str(path))


def settings(charter: Charter) -> Parameters:
    """The charter's first parameters."""
    return parameters.decode(charter.document, f"the charter of {charter.name}")


def readable_id(charter: Charter) -> str:
    """The federation id as people compare it: grouped like a fingerprint."""
    return keys.fingerprint(MemberId(bytes(charter.federation_id)))


def describe(charter: Charter) -> list[str]:
    """Who may do what, in words."""
    return [
        f"{charter.name}: {len(charter.founders)} founders",
        *(f"  {founder_words(founder)}" for founder in charter.founders),
        *wording.describe(charter.quorums, settings(charter), _people(charter), _WHO),
    ]


def founder_words(founder: Inception) -> str:
    """A founder in one line."""
    role, country = parameters.role_name(founder.role), founder.country or "no country"
    return f"{founder.name}, {role}, {country}, {keys.fingerprint(founder.member_id)}"


def needed_words(charter: Charter, act: Act, role: int = 0) -> str:
    """What an act takes, and whether the founders by themselves are enough for it."""
    return wording.needed_words(charter.quorums[act, role], _people(charter), _WHO)


def _people(charter: Charter) -> wording.People:
    return [((founder.role,), founder.country) for founder in charter.founders]
