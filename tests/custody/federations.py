"""Five founders in folders of their own, made as `init` makes them but with passphrases that protect nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nacl.signing import SigningKey

from node import config
from node.config import Config
from node.custody import charters, member, passphrase
from node.custody.joining import Unlock
from node.custody.member import Made
from node.custody.passphrase import MINIMAL
from node.feed.identity import Inception, Role
from node.policy import parameters

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
WORDS = "correct horse battery staple"
FOUNDERS = (
    ("Bundeskriminalamt", Role.AUTHORITY, "DE"),
    ("Police nationale", Role.AUTHORITY, "FR"),
    ("Europol", Role.EUROPOL, "EU"),
    ("Tech Forum", Role.INDUSTRY_BODY, ""),
    ("Acme Video", Role.PLATFORM, "IE"),
)


@dataclass(frozen=True)
class Founder:
    """One folder."""

    folder: Path
    made: Made

    @property
    def config(self) -> Config:
        return config.load(self.folder / config.FILE_NAME)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def unlock(self, _: Inception) -> SigningKey:
        return SigningKey(passphrase.open_file(self.folder / member.ROOT_KEY, "root", WORDS))


def create(folder: Path, name: str = "Acme Video", role: Role = Role.PLATFORM, country: str = "IE") -> Founder:
    made = member.create(
        folder,
        name=name,
        role=role,
        country=country,
        words=WORDS,
        now=NOW,
        address="" if role == Role.PLATFORM else "node.example:7443",
        cost=MINIMAL,
    )
    return Founder(folder, made)


def five(folder: Path) -> tuple[Founder, ...]:
    return tuple(create(folder / str(number), *each) for number, each in enumerate(FOUNDERS))


def charter_of(founders: tuple[Founder, ...], text: str = parameters.TEMPLATE) -> bytes:
    return charters.create(text, [charters.read_card(founder.made.card_path) for founder in founders])


def small(text: str = parameters.TEMPLATE) -> str:
    """The template for a federation of one."""
    large, little = "accept = { count = 4, countries = 2", "accept = { count = 1, countries = 1"
    assert large in text
    return text.replace(large, little)


def nobody(_: Inception) -> SigningKey:
    raise AssertionError("the root key was asked for")


NOBODY: Unlock = nobody
