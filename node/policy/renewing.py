"""How long a profile lasts, when it is said again, and what its own member is to be told of it."""

from collections.abc import Iterator

from node import limits
from node.content.profiles import OUT_OF_HOURS, Profile

DAY_MS = 86_400_000
AGAIN_MS = 30 * DAY_MS  # so long before its end it is said again
CONFIRMED_MS_MAX = 365 * DAY_MS  # so long after a check contacts are said again by themselves
FRESH_MS_MAX = 180 * DAY_MS  # so long after a check nobody is warned


def is_confirmed(profile: Profile, now_ms: int) -> bool:
    """Whether somebody answered for its contacts in the last year; without contacts there is nothing to answer for."""
    return not profile.contacts or profile.checked_ms > now_ms - CONFIRMED_MS_MAX


def is_stale(profile: Profile, now_ms: int) -> bool:
    """Whether whoever uses the contacts is to be told how old they are."""
    return bool(profile.contacts) and profile.checked_ms <= now_ms - FRESH_MS_MAX


def ends_ms(profile: Profile, before_ms: int, now_ms: int) -> int:
    """When a profile that is said now ends; the one before it ended at ``before_ms``, 0 if there was none.

    A new address never lengthens the life of contacts that nobody confirmed.
    """
    longest_ms = now_ms + limits.PROFILE_LIFE_MS_MAX
    return longest_ms if is_confirmed(profile, now_ms) else min(before_ms or longest_ms, longest_ms)


def is_to_be_said_again(profile: Profile, until_ms: int, now_ms: int) -> bool:
    """Whether it is, before it ends at ``until_ms``, for it still holds."""
    return now_ms + AGAIN_MS > until_ms and is_confirmed(profile, now_ms)


def warnings(profile: Profile | None, until_ms: int, now_ms: int, *, may_declare: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with our own, and what to do."""
    if profile is None:
        yield "there is none: nobody finds whom to call here", "`tocsin profile edit` makes one."
        return
    if not profile.contacts:
        yield "it names no contact: nobody finds whom to call here", "`tocsin profile edit` adds them."
        return
    if not profile.checked_ms:
        yield "its contacts were never checked", "Call them, then `tocsin profile confirm`."
    elif is_stale(profile, now_ms):
        days = (now_ms - profile.checked_ms) // DAY_MS
        yield f"its contacts were last checked {days} days ago", "Call them, then `tocsin profile confirm`."
    if now_ms + AGAIN_MS > until_ms and not is_confirmed(profile, now_ms):
        left = max((until_ms - now_ms) // DAY_MS, 0)
        words = f"it ends in {left} days and is not said again, for nobody confirmed its contacts within a year"
        yield words, "Call them, then `tocsin profile confirm`."
    if may_declare and not profile.by(OUT_OF_HOURS):
        yield "it names nobody for out of hours, and this member may declare", "`tocsin profile edit` adds one."
