"""Rules in words: who may do what, what it takes, and what an amendment changes of that."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from node.feed import quorum
from node.feed.identity import Role
from node.feed.quorum import Act, Quorum, Quorums
from node.policy import parameters
from node.policy.parameters import Parameters, Quotas

People: TypeAlias = Sequence[tuple[tuple[int, ...], str]]  # the roles of each, and its country

_RIGHTS = (
    ("declare", "declare a crisis"),
    ("cosign", "co-sign declarations of others"),
    ("publish", "publish lists"),
    ("refer", "send referrals"),
    ("alert", "warn of what may become a crisis"),
)


def describe(quorums: Quorums, said: Parameters | None, people: People, who: str) -> list[str]:
    """All of it, a line for each rule. ``said`` is what the text says, if it can be read."""
    return [*_describe_quorums(quorums, people, who), *(_describe_text(said) if said else [])]


def changes(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """The lines that differ: what no longer holds behind a minus, what holds instead behind a plus."""
    gone, new = [line for line in before if line not in after], [line for line in after if line not in before]
    return [*(f"- {line}" for line in gone), *(f"+ {line}" for line in new)]


def needed_words(needed: Quorum, people: People, who: str) -> str:
    """What an act takes, and whether these people by themselves are enough for it."""
    return words(needed) if quorum.is_met(needed, people) else f"{words(needed)} (more than {who} are)"


def words(needed: Quorum) -> str:
    """A quorum as people say it: "3 of authority or europol, from 2 countries"."""
    text = f"{needed.count} of {role_words(sorted(needed.roles))}"
    return f"{text}, from {needed.countries} countries" if needed.countries > 1 else text


def role_words(roles: Iterable[int]) -> str:
    """Roles as people say them."""
    return " or ".join(parameters.role_name(role) for role in roles) or "nobody"


def act_words(act: int, role: int) -> str:
    """What needs a quorum, by the key that it has in the text."""
    name = Act(act).name.lower() if act in set(Act) else f"act {act}"
    return f"quorums.{name}.{parameters.role_name(role).replace(' ', '_')}" if role else f"quorums.{name}"


def _describe_quorums(quorums: Quorums, people: People, who: str) -> list[str]:
    def takes(act: Act, role: int = 0) -> str:
        return needed_words(quorums[act, role], people, who)

    return [
        f"In force after acceptance by {takes(Act.ACCEPT)}.",
        *(f"{parameters.role_name(role).capitalize()}: admitted by {takes(Act.ADMIT, role)}." for role in Role),
        f"Suspending a member takes {takes(Act.SUSPEND)}.",
        f"Removing a member for good takes {takes(Act.REVOKE)}.",
        f"Amending any of this takes {takes(Act.AMEND)}.",
    ]


def _describe_text(said: Parameters) -> list[str]:
    return [
        *(f"May {verb}: {_entitled(getattr(said.rights, right))}." for right, verb in _RIGHTS),
        f"A crisis ends by itself after {said.crisis.default_hours} h, at most {said.crisis.longest_hours} h.",
        *_describe_quotas(said.quotas),
        f"Frameworks: {', '.join(_framework(one) for one in said.frameworks) or 'none yet'}.",
        *(f"Words for {name}: {', '.join(listed) or 'none yet'}." for name, listed in said.vocabularies.items()),
    ]


def _describe_quotas(quotas: Quotas) -> list[str]:
    pushed, publisher = quotas.headers_burst, quotas.publisher_headers_burst
    fetched, of_publisher = quotas.bulk_mib_per_day, quotas.publisher_bulk_mib_per_day
    return [
        f"A member pushes {pushed} entries at once ({publisher} if it may publish), {quotas.headers_per_hour} an hour.",
        f"Of these {quotas.urgent_burst} at once are urgent, {quotas.urgent_per_hour} an hour.",
        f"{fetched} MiB a day of a member ({of_publisher} if it may publish) are fetched before its turn comes last.",
    ]


def _entitled(names: Sequence[parameters.RoleName]) -> str:
    return role_words(parameters.ROLES[name] for name in names)


def _framework(one: parameters.Framework) -> str:
    named = f"{one.name} {one.version}"
    return f"{named} ({one.sha256[:12]})" if one.sha256 else named
