"""One founder with a federation of its own, its keys changed in every way, and what its folder says then."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nacl.signing import SigningKey

from node.custody import ceremonies, folder, joining, passphrase, reopening
from node.custody.spares import Spare
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed import entry, keys
from node.feed.header import NORMAL, Header
from node.feed.identity import Identity
from node.feed.keys import FeedId
from node.feed.kinds import Kind
from node.store import journal, ledger
from node.store.ledger import Row
from node.v1 import header_pb2
from tests.custody.federations import NOW, NOW_MS, WORDS, Founder, charter_of, create, small

LATER_MS = NOW_MS + 60_000


def joined(place: Path) -> Founder:
    """A founder that has joined its own federation."""
    founder = create(place)
    joining.join(founder.config, charter_of((founder,), small()), founder.unlock, NOW_MS)
    return founder


def root(founder: Founder, name: str = "root.key") -> ceremonies.Unlock:
    def unlock(_: Identity) -> SigningKey:
        return SigningKey(passphrase.open_file(founder.folder / name, "root", WORDS))

    return unlock


def certified_spares(founder: Founder, count: int = 1) -> list[Spare]:
    made = ceremonies.make_spares(founder.config, count)
    ceremonies.carry_out(founder.config, ceremonies.certify_spares(made), root(founder), LATER_MS)
    return made


def rotate_node(founder: Founder, now_ms: int = LATER_MS) -> None:
    ceremonies.carry_out(founder.config, ceremonies.rotate_node(founder.config), root(founder), now_ms)


def rotate_tls(founder: Founder) -> None:
    ceremonies.carry_out(founder.config, ceremonies.rotate_tls(founder.config, NOW), root(founder), LATER_MS)


@contextmanager
def opened(founder: Founder, now_ms: int = LATER_MS) -> Iterator[Exchange]:
    """The exchange over the folder, started."""
    charter = joining.read_charter(founder.config)
    exchange = joining.open_exchange(founder.config, folder.read_keys(founder.data), charter)
    try:
        exchange.start(now_ms)
        yield exchange
    finally:
        joining.close_exchange(exchange)


def say(founder: Founder, times: int = 1, urgency: int = NORMAL) -> None:
    """Say something in the node's feed, as it runs: first what is to be said of those before it."""
    with opened(founder) as exchange:
        exchange.publish(exchange.succession(), LATER_MS)
        anchor = header_pb2.Anchor(journal_size=1).SerializeToString(deterministic=True)
        for _ in range(times):
            exchange.publish([Draft(Kind.ANCHOR, urgency, statement=anchor)], LATER_MS)


def feed_of(founder: Founder) -> FeedId:
    node = folder.read_keys(founder.data)
    charter = joining.read_charter(founder.config)
    return keys.feed_id(charter.federation_id, node.member_id, bytes(node.feed_key.verify_key))


def rows(founder: Founder) -> list[Row]:
    charter = joining.read_charter(founder.config)
    with reopening.governed(founder.config, charter) as (stores, _):
        return [*ledger.statements(stores.ledger), *ledger.statements_of(stores.ledger, Kind.ANCHOR)]


def journals(founder: Founder) -> list[Path]:
    return [founder.data / folder.JOURNAL, *sorted((founder.data / folder.FORMER_JOURNALS).glob("*"))]


def signed(founder: Founder, path: Path | None = None) -> list[Header]:
    federation_id = joining.read_charter(founder.config).federation_id
    lines = journal.read(path or founder.data / folder.JOURNAL)[0]
    return [entry.decode(body, signature, federation_id).header for body, signature in lines]


def check_signed_once(founder: Founder) -> None:
    """No place has two signatures, in whatever journal they stand."""
    found = {(one.feed_id, one.seq, one.hash) for path in journals(founder) for one in signed(founder, path)}
    assert max(Counter((feed_id, seq) for feed_id, seq, _ in found).values()) == 1
