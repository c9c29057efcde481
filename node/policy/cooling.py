"""Cooling: how long what was withdrawn is only restricted before it is erased.

A stolen key must not be able to destroy every copy at once: until the time is over its member's root
can end the feed, and everything counts again.
"""

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

MASS_ITEMS = 1000  # of one member in an hour; or one in a hundred of those that it has
MASS_SHARE = 100
ALARMING_ITEMS = 100  # of a member that has few, where they are half of what it has
PRESSING = frozenset({6, 7})  # person at risk, court order: at once
PRESSING_PER_HOUR_MAX = 100
PRESSING_ITEMS_MAX = 100  # of one of them: what endangers somebody is named, and a list of thousands is no name


def begun_ms(reason: int, received_ms: int, created_ms: int) -> int:
    """From when a withdrawal cools: when it came, or when it was said where that is later.

    Then the clock here was behind, and it has shown only since its date was near. What presses waits for no date.
    """
    return received_ms if reason in PRESSING else max(received_ms, created_ms)


def cooling_ms(reason: int, *, own: int, items: int, live: int, pressing: int, suspended: bool) -> int:
    """How long to wait after a withdrawal came.

    It takes back ``own`` items. ``items`` of its member were withdrawn within an hour of it, of ``live``
    ones; ``pressing`` withdrawals of that member that came in the hour before it were as pressing as
    this, carried out or not.
    """
    if reason in PRESSING and pressing < PRESSING_PER_HOUR_MAX and own <= PRESSING_ITEMS_MAX:
        return 0
    if suspended or items > MASS_ITEMS or items * MASS_SHARE > max(live, MASS_SHARE):
        return DAY_MS
    return HOUR_MS


def is_mass(items: int, live: int) -> bool:
    """Whether people should know that so much of so much was taken back within an hour: it may be a thief who does."""
    return (items >= ALARMING_ITEMS and items * 2 >= live) or items > MASS_ITEMS
