"""The charter's document: the text that founders edit, and what it says. Strict: a slip must not pass as a rule."""

from typing import Annotated, Literal

import msgspec

from node.errors import Refused
from node.feed.identity import Role
from node.feed.quorum import Act, Quorum, Quorums

NAME_CHARACTERS_MAX = 96
HOURS_MAX = 24 * 366

RoleName = Literal["authority", "europol", "industry_body", "platform", "observer"]
ROLES = {role.name.lower(): role for role in Role}

_Count = Annotated[int, msgspec.Meta(ge=1, le=255)]
_Countries = Annotated[int, msgspec.Meta(ge=0, le=255)]
_Many = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
_Hours = Annotated[int, msgspec.Meta(ge=1, le=HOURS_MAX)]
_Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
_Sha256 = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$")]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the text."""


class NeededText(_Part, frozen=True):
    """How many must act, from how many countries, and whose acts count."""

    count: _Count
    roles: Annotated[list[RoleName], msgspec.Meta(min_length=1)]
    countries: _Countries = 0

    @property
    def quorum(self) -> Quorum:
        """As the charter has it."""
        return Quorum(self.count, self.countries, frozenset(int(ROLES[name]) for name in self.roles))


class AdmitText(_Part, frozen=True):
    """By the role that is asked for."""

    authority: NeededText
    europol: NeededText
    industry_body: NeededText
    platform: NeededText
    observer: NeededText


class QuorumsText(_Part, frozen=True):
    """What needs more than one member."""

    accept: NeededText
    admit: AdmitText
    suspend: NeededText
    revoke: NeededText
    amend: NeededText


class Rights(_Part, frozen=True):
    """Which roles may do what, by name."""

    declare: list[RoleName]
    publish: list[RoleName]
    refer: list[RoleName]
    cosign: list[RoleName] = msgspec.field(default_factory=lambda: ["authority", "europol"])
    alert: list[RoleName] = msgspec.field(default_factory=lambda: ["authority", "europol", "industry_body", "platform"])


class Quotas(_Part, frozen=True):
    """How much each member may push; what is beyond waits for its turn, and nobody else waits for it."""

    headers_burst: _Many = 200
    headers_per_hour: _Many = 600
    publisher_headers_burst: _Many = 4096  # of members that may publish lists
    urgent_burst: _Many = 5
    urgent_per_hour: _Many = 20
    bulk_mib_per_day: _Many = 64
    publisher_bulk_mib_per_day: _Many = 2048


class Crisis(_Part, frozen=True):
    """How long a crisis lasts where its framework does not say less."""

    default_hours: _Hours = 48
    longest_hours: _Hours = 336


class Framework(_Part, frozen=True):
    """A set of rules under which a crisis may be declared; which there are is data."""

    name: _Word
    version: _Word
    sha256: _Sha256 = ""  # of its document, where it has one


class Parameters(_Part, frozen=True):
    """The whole text."""

    name: str
    quorums: QuorumsText
    rights: Rights
    crisis: Crisis = Crisis()
    quotas: Quotas = Quotas()
    frameworks: list[Framework] = []
    vocabularies: dict[_Word, list[_Word]] = {}  # words by what they are for, as labels or reasons

    @property
    def rows(self) -> Quorums:
        """The quorums by act and role, as they stand in the charter itself."""
        needed, admit = self.quorums, self.quorums.admit
        return {
            (Act.ACCEPT, 0): needed.accept.quorum,
            **{(Act.ADMIT, role): getattr(admit, name).quorum for name, role in ROLES.items()},
            (Act.SUSPEND, 0): needed.suspend.quorum,
            (Act.REVOKE, 0): needed.revoke.quorum,
            (Act.AMEND, 0): needed.amend.quorum,
        }


def decode(text: bytes, source: str) -> Parameters:
    """Read the text; raises Refused naming the key and what is wrong with it."""
    try:
        read = msgspec.toml.decode(text, type=Parameters)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _wrong(source, str(error)) from error
    if not read.name.isprintable() or read.name != read.name.strip() or not 0 < len(read.name) <= NAME_CHARACTERS_MAX:
        raise _wrong(source, f"name needs 1 to {NAME_CHARACTERS_MAX} characters that can be seen")
    if read.crisis.default_hours > read.crisis.longest_hours:
        raise _wrong(source, f"crisis.default_hours is more than crisis.longest_hours ({read.crisis.longest_hours})")
    return read


def _wrong(source: str, reason: str) -> Refused:
    return Refused(
        f"{source}: {reason}",
        next_step="`tocsin charter template` shows every key; a newer version may know more of them.",
        field="charter",
    )


def role_name(role: int, *, article: bool = False) -> str:
    """As people say it; unknown roles by their number."""
    name = Role(role).name.lower().replace("_", " ") if role in set(Role) else f"role {role}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}" if article else name


TEMPLATE = """\
# A charter: what all members of a federation start from. Edit it, then run
# `tocsin charter create FILE CARD...` with the founders' cards, and send the result to each of them.
# The federation's id is a hash of it, so it cannot change; all but its name and quorums.accept can be amended later.

name = "Example federation"

# How many members must act, of which roles, and from how many different countries at least.
# Roles: authority, europol, industry_body, platform, observer. A country counts once; left out, it is not asked for.

[quorums]
# How many founders must accept before the charter is in force.
accept = { count = 4, countries = 2, roles = ["authority", "europol", "industry_body", "platform"] }
# A suspension has an end; a removal has none.
suspend = { count = 2, countries = 2, roles = ["authority", "europol"] }
revoke = { count = 3, countries = 2, roles = ["authority", "europol"] }
# Who may change what stands here.
amend = { count = 3, countries = 2, roles = ["authority", "europol", "industry_body"] }

# Who lets a further member in, by the role it asks for.
[quorums.admit]
authority = { count = 2, countries = 2, roles = ["authority", "europol"] }
europol = { count = 3, countries = 2, roles = ["authority"] }
industry_body = { count = 3, countries = 2, roles = ["authority", "europol"] }
platform = { count = 3, countries = 2, roles = ["authority", "europol", "industry_body"] }
observer = { count = 2, countries = 2, roles = ["authority", "europol"] }

# Which roles may declare a crisis, publish hash lists, send referrals, co-sign declarations of others, and warn of
# what may become a crisis. A framework may say less.
[rights]
declare = ["authority", "europol"]
publish = ["authority", "europol", "industry_body", "platform"]
refer = ["authority", "europol"]
cosign = ["authority", "europol"]
alert = ["authority", "europol", "industry_body", "platform"]

# How much each member may push to others. What is beyond is fetched by and by; nobody else waits for it.
[quotas]
headers_burst = 200
headers_per_hour = 600
publisher_headers_burst = 4096
urgent_burst = 5
urgent_per_hour = 20
bulk_mib_per_day = 64
publisher_bulk_mib_per_day = 2048

# How long a crisis lasts by itself, and at most. A framework may say less.
[crisis]
default_hours = 48
longest_hours = 336

# The rules under which a crisis may be declared, each bound to its document by its SHA-256. Those here come with the
# program. Without sha256 there is no document: whoever may declare does so alone, and nothing has to be filled in.

# The EU Online Crisis Response Framework: a second authority or Europol has to co-sign.
[[frameworks]]
name = "eu-ocrf"
version = "2026-03"
sha256 = "1817537c3c244b0c68488b715778b65532e687730b71d28a3ed8e1a0512918d7"

# An authority alone, by how grave the harm is and how far it spreads: an example for a country to copy.
# [[frameworks]]
# name = "national-example"
# version = "1"
# sha256 = "d47358e66ea537855e9c87d92c320d865ec97e40f6f9df6f78a5042df6126992"

# The crisis response of the Christchurch Call: one more has to co-sign. Industry bodies take part once `declare` and
# `cosign` above name industry_body.
# [[frameworks]]
# name = "christchurch-call"
# version = "2019-05"
# sha256 = "d36387eb801981b4b27b447f4b0cf9b04cc5b7a49d1ac0c63395363a6935673c"

# The Perpetrator Content Incident of GIFCT: of no use before `declare` above names industry_body, and `cosign` it and
# platform.
# [[frameworks]]
# name = "gifct-pci"
# version = "2025"
# sha256 = "82bf1480ee39f3c4ed50463074427dc352611ec24856b4c7f350c0392de0212a"

# Words that all members use alike: labels of items, what the same content may also be so that whoever shares it is
# exempt, reasons for what is done about items. Where `labels` has words, a list needs one of them, and a ground or a
# crisis; where `exemptions` has, a list says which of them may apply, or none-known.
[vocabularies]
labels = ["attack-footage", "livestream", "manifesto", "perpetrator-account", "propaganda"]
exemptions = ["news", "education", "art", "research", "counter-speech", "satire"]
reasons = ["mistake", "false-positive", "out-of-scope", "outdated"]
"""
