"""Where a crisis can stand, what moves it, and which two things contradict each other: a table, and no more."""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where a crisis stands."""

    ALERT = "alert"  # an early warning; what becomes of it is declared under an id of its own
    PROPOSED = "proposed"  # said, and not in effect: each begins so
    ACTIVE = "active"
    DE_ESCALATING = "de-escalating"
    ENDED = "ended"  # by who leads it
    EXPIRED = "expired"  # by itself
    UNDER_REVIEW = "under review"
    CLOSED = "closed"
    REJECTED = "rejected"  # as it is proposed now, by those who were asked to co-sign it
    WITHDRAWN = "withdrawn"  # by its owner: it should not have been


OVER = frozenset(
    {State.ENDED, State.EXPIRED, State.UNDER_REVIEW, State.CLOSED, State.REJECTED, State.WITHDRAWN}
)  # nothing is shared under it any more
IN_EFFECT = frozenset({State.ACTIVE, State.DE_ESCALATING})


class Verb(StrEnum):
    """What moves it: acts, and what follows by itself from co-signatures, from rights and from time."""

    UPDATE = "update"
    EXTEND = "extend"
    HAND_OVER = "hand over"
    DE_ESCALATE = "de-escalate"
    END = "end"
    REVIEW = "review"
    CLOSE = "close"
    WITHDRAW = "withdraw"
    WARN = "warn"  # an alert asks nobody
    ACTIVATE = "activate"  # all its co-signatures are here
    REJECT = "reject"  # as many refuse as would have been needed
    LAPSE = "lapse"  # what gave it effect does not any more, or not yet: a co-signature, a right, its start
    EXPIRE = "expire"


BY_ITSELF = frozenset({Verb.WARN, Verb.ACTIVATE, Verb.REJECT, Verb.LAPSE, Verb.EXPIRE})

_PROPOSED = (State.PROPOSED, State.REJECTED)  # refusing takes from nobody what may become of a proposal
_EFFECTIVE = (State.ALERT, State.ACTIVE, State.DE_ESCALATING)
_LIVE = (*_PROPOSED, *_EFFECTIVE)
_OVER = (State.ENDED, State.EXPIRED)

TRANSITIONS: Mapping[tuple[State, Verb], State] = {
    (State.PROPOSED, Verb.WARN): State.ALERT,
    **{(state, Verb.ACTIVATE): State.ACTIVE for state in _PROPOSED},
    (State.PROPOSED, Verb.REJECT): State.REJECTED,
    **{(state, verb): State.PROPOSED for state in _PROPOSED for verb in (Verb.UPDATE, Verb.EXTEND, Verb.HAND_OVER)},
    **{(state, verb): state for state in _EFFECTIVE for verb in (Verb.UPDATE, Verb.EXTEND, Verb.HAND_OVER)},
    **{(state, Verb.LAPSE): State.PROPOSED for state in (*_EFFECTIVE, State.REJECTED)},
    (State.ACTIVE, Verb.DE_ESCALATE): State.DE_ESCALATING,
    (State.DE_ESCALATING, Verb.EXTEND): State.ACTIVE,
    **{(state, Verb.END): State.ENDED for state in _LIVE},
    **{(state, Verb.EXPIRE): State.EXPIRED for state in _LIVE},
    **{(state, Verb.REVIEW): State.UNDER_REVIEW for state in _OVER},
    **{(state, Verb.CLOSE): State.CLOSED for state in (*_OVER, State.UNDER_REVIEW)},
    **{(state, Verb.WITHDRAW): State.WITHDRAWN for state in (*_LIVE, *_OVER, State.UNDER_REVIEW, State.CLOSED)},
}

# Two that say different things, neither knowing of the other.
CLASHES = frozenset(
    {
        frozenset({Verb.END, Verb.EXTEND}),
        frozenset({Verb.EXTEND}),
        frozenset({Verb.UPDATE}),
        frozenset({Verb.HAND_OVER}),
    }
)
URGENT = frozenset({Verb.END, Verb.WITHDRAW})  # count also before what they follow is here
