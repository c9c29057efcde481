"""What each method is to the audit log: one table. References and counts, never a value that was asked or shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from node.exchange.audit import NO_REASON, Operation, Why
from node.limits import AUDIT_WORDS_MAX
from node.v1 import tools_pb2

# What [audit] justify may name: what shows items of lists, or asks for what may be somebody's address.
EXPORT, LOOK_UP, ENTRY, COMPARE = "export", "lookup", "entry", "compare"
DEMANDS = (EXPORT, LOOK_UP, ENTRY, COMPARE)


@dataclass(frozen=True, slots=True)
class Unnoted:
    """Nothing of it is noted, for this reason."""

    reason: str


class When(Enum):
    """When a line is written."""

    DONE = "before the answer"
    BEGUN = "before the first answer, and how much it was by the minute"
    TALLIED = "with all of its kind, by the minute"


Counts = Mapping[str, int]
Named = Sequence[tuple[str, int | None]]


@dataclass(frozen=True, slots=True)
class Row:
    """What of a call is noted. The functions are given its first request and, but for `asked`, an answer."""

    operation: Operation
    act: str
    what: Callable[[Any, Any], Named] = lambda _asked, _answer: ()
    counts: Callable[[Any, Any], Counts] = lambda _asked, _answer: {}
    when: When = When.DONE
    to: str = ""
    asked: Callable[[Any], Counts] = lambda _: {}  # of each request
    happened: Callable[[Any, Any], bool] = lambda _asked, _answer: True
    why: Callable[[Any], Why] = lambda _: NO_REASON  # said in the request itself
    demand: str = ""  # what [audit] justify calls it
    personal: Callable[[Any], bool] = lambda _: False  # of a tallied request: then it has a line of its own
    allowed: Callable[[Any, Any], tuple[str, bytes]] = lambda _asked, _answer: ("", b"")  # why, and in which entry


def _crisis(_asked: Any, answer: Any) -> Named:
    return [(f"crisis:{answer.crisis.object_id.hex()}", None)]


def _list(_asked: Any, answer: Any) -> Named:
    return [(f"list:{answer.list.object_id.hex()}", None)]


def _peer(_asked: Any, answer: Any) -> Named:
    return [(f"member:{answer.peer.member_id.hex()}", None)]


def _member(_asked: Any, answer: Any) -> Named:
    return [(f"member:{answer.standing.member.member_id.hex()}", None)]


def _hold(_asked: Any, answer: Any) -> Named:
    return [(f"hold:{answer.hold.id.hex()}", None)]


def _ignored(_asked: Any, answer: Any) -> Named:
    """Of a value nothing but the decision: whoever guesses it could prove the guess."""
    view = answer.ignored
    about = [] if view.what == "value" else [(f"{view.what}:{view.about}", None)]
    return [(f"ignore:{view.id.hex()}", None), *about]


def _declared(asked: Any, answer: Any) -> tuple[str, bytes]:
    """Why what looks personal in it is nobody's private data, where that was said, and in which entry it stands."""
    return ("", b"") if answer.repeated_call else (asked.allow_personal, answer.crisis.entry)


def _acted(asked: Any, answer: Any) -> tuple[str, bytes]:
    """The same, of what was said of a crisis."""
    return asked.allow_personal, answer.entry


def _listed(asked: Any, _answer: Any) -> Named:
    typed = asked.comparison.list if isinstance(asked, tools_pb2.CompareListRequest) else asked.list
    return [(f"list:{typed.strip().lower()}", None)]  # as it was resolved, or the log would not find it


def _matches(_asked: Any, answer: Any) -> Named:
    """Also what our own member ignores: whoever asked was shown it."""
    response = answer.response if isinstance(answer, tools_pb2.LookUpStreamResponse) else answer
    return [(match.entry.hex(), match.position) for match in (*response.matches, *response.ignored)]


def _match_count(_asked: Any, answer: Any) -> Counts:
    response = answer.response if isinstance(answer, tools_pb2.LookUpStreamResponse) else answer
    counts = {"matches": len(response.matches), "ignored": len(response.ignored)}
    return {name: count for name, count in counts.items() if count}


def _values_asked(letter: Any) -> Counts:
    request = letter.request if isinstance(letter, tools_pb2.LookUpStreamRequest) else letter
    return {"asked": len(request.values) + len(request.texts)}


def _is_new(asked: Any, _answer: Any) -> bool:
    return not asked.dry_run


def _exported(_asked: Any, answer: Any) -> Counts:
    return {"records": 1, "items": len(answer.record.positions)}


def _delivered(_asked: Any, answer: Any) -> Counts:
    return {"records": 1} if answer.HasField("delivery") else {}


def _removed(_asked: Any, answer: Any) -> Counts:
    return {"removed": answer.removed}


def _published(_asked: Any, answer: Any) -> Counts:
    return {"added": answer.added, "removed": answer.removed, "unchanged": answer.unchanged}


_OPERATING = Unnoted("figures of the node itself, of nobody's content")
_GOVERNANCE = Unnoted("governance: ids, hashes and keys, which all members have")
_NAMES = Unnoted("what lists there are, and no item of them")
_ADMINISTRATION, _DISCLOSURE, _ALTERATION, _CONSULTATION = (
    Operation.ADMINISTRATION,
    Operation.DISCLOSURE,
    Operation.ALTERATION,
    Operation.CONSULTATION,
)

_TOOLS: Mapping[str, Row | Unnoted] = {
    "Declare": Row(_DISCLOSURE, "crisis declare", _crisis, to="its audience", allowed=_declared),
    "ActOnCrisis": Row(_ALTERATION, "crisis act", _crisis, to="all members", allowed=_acted),
    "SpeakOfCrisis": Row(_DISCLOSURE, "crisis word", _crisis, to="all members", allowed=_acted),
    "VerifyCrisis": Row(_CONSULTATION, "crisis verify", _crisis),
    "ListCrises": Row(
        _CONSULTATION,
        "crisis show",
        lambda _, answer: [(f"crisis:{one.object_id.hex()}", None) for one in answer.crises],
        lambda _asked, _answer: {"asked": 1},
        When.TALLIED,
    ),
    "PublishList": Row(
        _DISCLOSURE,
        "list publish",
        _list,
        _published,
        to="its audience",
        happened=lambda asked, _: not asked.list.dry_run,
        allowed=lambda asked, answer: (asked.list.allow_personal, answer.entry),
    ),
    "RemoveItems": Row(_ALTERATION, "list remove", _list, _removed, to="its audience"),
    "WithdrawList": Row(_ALTERATION, "list withdraw", _list, to="its audience"),
    "FollowList": Row(Operation.COLLECTION, "list follow", _list, lambda asked, _: {"follow": int(asked.follow)}),
    "ListLists": _NAMES,
    "WatchList": _NAMES,
    "CompareList": Row(
        Operation.COMBINATION,
        "list compare",
        _listed,
        lambda _, answer: (
            {"common": answer.compared.common, "only_sent": answer.compared.only_sent}
            if answer.HasField("compared")
            else {}
        ),
        When.BEGUN,
        demand=COMPARE,
    ),
    "ExportList": Row(_CONSULTATION, "list export", _listed, _exported, When.BEGUN, demand=EXPORT),
    "LookUp": Row(
        _CONSULTATION,
        "look-up",
        _matches,
        _match_count,
        When.TALLIED,
        asked=_values_asked,
        demand=LOOK_UP,
        personal=lambda asked: bool(asked.texts),
    ),
    "LookUpStream": Row(
        _CONSULTATION,
        "look-up",
        _matches,
        _match_count,
        When.TALLIED,
        asked=_values_asked,
        demand=LOOK_UP,
        personal=lambda asked: bool(asked.request.texts),
    ),
    "Confirm": Row(
        _DISCLOSURE,
        "crisis acknowledge",
        _crisis,
        lambda asked, answer: {"acted": int(asked.acted), "entries": answer.entries},
        to="all members",
    ),
    "ListAcknowledgements": _OPERATING,
    "Subscribe": Row(_CONSULTATION, "subscribe", counts=_delivered, when=When.BEGUN),
    "Acknowledge": Unnoted("how far a reader is"),
    "GetEntry": Row(
        _CONSULTATION,
        "entry",
        lambda asked, _: [(asked.entry.hex(), None)],
        lambda _asked, _answer: {"asked": 1},
        When.TALLIED,
        demand=ENTRY,
    ),
    "GetGovernance": _GOVERNANCE,
}

_ADMIN: Mapping[str, Row | Unnoted] = {
    "GetStatus": _OPERATING,
    "ListMembers": _GOVERNANCE,
    "ListPeers": _OPERATING,
    "ApprovePeers": Row(
        _ADMINISTRATION, "peer add", lambda _, answer: [(f"member:{one.member_id.hex()}", None) for one in answer.peers]
    ),
    "RemovePeer": Row(_ADMINISTRATION, "peer remove", _peer),
    "BlockPeer": Row(_ADMINISTRATION, "peer block", _peer, lambda _, answer: {"set_aside": answer.set_aside}),
    "PausePeer": Row(_ADMINISTRATION, "peer pause", _peer),
    "ResumePeer": Row(_ADMINISTRATION, "peer resume", _peer),
    "LimitPeer": Row(_ADMINISTRATION, "peer limit", _peer),
    "ReleasePeer": Row(_ADMINISTRATION, "peer release", _peer, lambda _, answer: {"released": answer.released}),
    "CheckPeer": _OPERATING,
    "Examine": _OPERATING,
    "SetLogLevel": Row(
        _ADMINISTRATION,
        "log level",
        lambda asked, _: [(f"level:{asked.level}", None)],
        happened=lambda asked, _: bool(asked.level),
    ),
}

_OTHERS: Mapping[str, Row | Unnoted] = {
    "Charters/GetRules": _GOVERNANCE,
    "Charters/ListAmendments": _GOVERNANCE,
    "Charters/ListFrameworks": _GOVERNANCE,
    "Charters/PublishFramework": Row(_ADMINISTRATION, "framework publish", to="all members"),
    "Charters/Amend": Row(
        _ADMINISTRATION,
        "charter amend",
        lambda _, answer: [(f"amendment:{answer.amendment.hash.hex()}", None)],
        to="all members",
        happened=_is_new,
    ),
    "Membership/GetMember": _GOVERNANCE,
    "Membership/Endorse": Row(_ADMINISTRATION, "member endorse", _member, to="all members", happened=_is_new),
    "Membership/Unendorse": Row(_ADMINISTRATION, "member unendorse", _member, to="all members", happened=_is_new),
    "Membership/Suspend": Row(_ADMINISTRATION, "member suspend", _member, to="all members", happened=_is_new),
    "Membership/Revoke": Row(_ADMINISTRATION, "member revoke", _member, to="all members", happened=_is_new),
    "Membership/GetDeparture": _OPERATING,
    "Membership/WithdrawOwn": Row(
        _ALTERATION,
        "leave withdraw",
        counts=lambda _, answer: {"withdrawn": answer.withdrawn},
        to="all members",
        happened=lambda _, answer: answer.withdrawn > 0,
    ),
    "Membership/Leave": Row(_ADMINISTRATION, "leave", to="all members"),
    "Holds/AddHold": Row(_ALTERATION, "hold add", _hold, happened=_is_new),
    "Holds/ListHolds": Row(
        _CONSULTATION,
        "hold list",
        lambda _, answer: [(f"hold:{one.id.hex()}", None) for one in answer.holds],
        lambda _asked, _answer: {"asked": 1},
        When.TALLIED,
    ),
    "Holds/ReviewHold": Row(_ADMINISTRATION, "hold review", _hold),
    "Holds/ReleaseHold": Row(Operation.ERASURE, "hold release", _hold),
    "Withdrawals/WithdrawItem": Row(_ALTERATION, "withdraw item", _list, to="all members"),
    "Withdrawals/WithdrawCrisis": Row(_ALTERATION, "withdraw crisis", _crisis, to="all members"),
    "Opinions/Opine": Row(
        _DISCLOSURE,
        "opine",
        lambda _, answer: [(one.target.hex(), at) for one in answer.opinions for at in one.positions or (None,)],
        lambda asked, answer: {"verdict": asked.verdict, "said": answer.said},
        to="all members",
        allowed=lambda asked, answer: (asked.allow_personal, answer.opinions[0].entry if answer.opinions else b""),
        happened=lambda _, answer: answer.said > 0,
    ),
    "Opinions/ListOpinions": Row(
        _CONSULTATION,
        "opine list",
        lambda _, answer: sorted({(one.target.hex(), None) for one in answer.opinions}),
        lambda _asked, _answer: {"asked": 1},
        When.TALLIED,
    ),
    "Ignores/Ignore": Row(_ALTERATION, "ignore", _ignored),
    "Ignores/ListIgnored": _OPERATING,
    "Ignores/EndIgnoring": Row(_ALTERATION, "ignore end", _ignored),
    "Withdrawals/ListWithdrawals": _OPERATING,
    "Withdrawals/GetWithdrawal": _OPERATING,
    "Withdrawals/ListMassWithdrawals": _OPERATING,
    "Policies/ShowPolicy": _OPERATING,
    "Policies/PreviewPolicy": _OPERATING,
    "Policies/ExplainKeeping": Row(_CONSULTATION, "policy explain", lambda _, answer: [(answer.entry.hex(), None)]),
    "Policies/ApplyPolicy": Row(
        _ADMINISTRATION,
        "policy apply",
        lambda _, answer: [(f"policy:{answer.policy.policy_id.hex()}", None)],
        lambda _, answer: {"erased_now": answer.number},
        why=lambda asked: Why(asked.code[:AUDIT_WORDS_MAX], asked.justification[:AUDIT_WORDS_MAX]),
    ),
    "Accountability/SearchSubject": Row(
        _CONSULTATION,
        "subject search",
        lambda _, answer: [
            *((f"asked:{one.hex()}", None) for one in answer.asked),
            *((one.entry.hex(), one.position if one.HasField("position") else None) for one in answer.places),
        ],
        lambda _, answer: {"places": len(answer.places) + answer.left_off},
        why=lambda asked: Why(asked.code[:AUDIT_WORDS_MAX], asked.justification[:AUDIT_WORDS_MAX]),
    ),
    "Accountability/ReportProcessing": _OPERATING,
    "Accountability/ReportImpact": _OPERATING,
    "Profiles/GetProfiles": Row(
        _CONSULTATION,
        "contacts",
        lambda _, answer: [(f"member:{one.member_id.hex()}", None) for one in answer.profiles],
        lambda _asked, _answer: {"asked": 1},
        When.TALLIED,
    ),
    "Profiles/SetProfile": Row(_DISCLOSURE, "profile set", to="all members"),
    "Profiles/ConfirmProfile": Row(_DISCLOSURE, "profile confirm", to="all members"),
    "Forks/ListForks": _GOVERNANCE,
    "Forks/GetFork": _GOVERNANCE,
    "Signing/ConfirmClock": Row(_ADMINISTRATION, "clock confirm"),
    "Alarms/ListRoutes": _OPERATING,
    "Alarms/TestRoutes": Row(_ADMINISTRATION, "alarm test", counts=lambda _, answer: {"routes": len(answer.trials)}),
    "Audit/ReadLog": Row(
        _CONSULTATION, "audit read", lambda asked, _: [(f"use:{asked.use[:16]}", None)], when=When.BEGUN
    ),
    "Audit/ListAnchors": _GOVERNANCE,
    "Audit/Witness": Unnoted("an anchor says how far the log is, so it is no line of it"),
    "Audit/NoteAct": Unnoted("it is the line"),
}

TABLE: Mapping[str, Row | Unnoted] = {
    **{f"/tocsin.v1.Tools/{method}": row for method, row in _TOOLS.items()},
    **{f"/tocsin.v1.Admin/{method}": row for method, row in _ADMIN.items()},
    **{f"/tocsin.v1.{method}": row for method, row in _OTHERS.items()},
}
