"""Kinds of entries, by number (protos/README.md section 4).

1 to 31 stand in identity logs, 32 to 63 are statements in node feeds, 64 and above have a payload.
Even kinds are critical: one that is not known stops later interpretation of its object; odd ones
may be ignored. Both are stored, relayed and chained intact.
"""

from enum import IntEnum

IDENTITY_MAX = 31
STATEMENT_MAX = 63


class Kind(IntEnum):
    """The kinds of version 1."""

    ACCEPT = 2
    ROTATE = 4
    NODE = 6
    RETIRE = 8
    SETTLE = 10
    SPARE = 12
    SUCCESSOR = 14

    OPEN = 32
    ENDORSE = 34
    UNENDORSE = 36
    SUSPEND = 38
    REVOKE = 40
    AMEND = 42
    SUPERSEDE = 44
    WITHDRAW = 46
    RECEIPT = 49
    ANCHOR = 51
    CHECKPOINT = 53

    SEALED = 64
    PROFILE = 66
    GRANT = 68
    DOCUMENT = 70
    ALERT = 80
    DECLARATION = 82
    CRISIS_ACT = 84
    LIST = 96
    ITEMS = 98
    OPINION = 113
    REFERRAL = 128
    REFERRAL_ACT = 130
    ACKNOWLEDGEMENT = 145


NAMES = {int(kind): kind.name.lower() for kind in Kind}


def is_identity(kind: int) -> bool:
    """Whether it stands in an identity log, signed by the root."""
    return kind <= IDENTITY_MAX


def is_statement(kind: int) -> bool:
    """Whether the content is in the header."""
    return kind <= STATEMENT_MAX


def is_halting(kind: int) -> bool:
    """Whether it is critical and not known here: its object is not read on."""
    return kind > 0 and kind % 2 == 0 and kind not in NAMES


def name(kind: int) -> str:
    """What people call it; unknown kinds by their number."""
    return NAMES.get(kind, f"kind {kind}")
