"""Overriding: what a person decides against a rule of the border, and that it was decided."""

import structlog

from node.errors import Refused
from node.rpc import gate, noting
from node.rpc.gate import Administrator, ToolCaller

SCOPES = frozenset({"protect", "declare"})  # of those who may
REASON_CHARACTERS_MAX = 500

_log = structlog.get_logger()


def allow_personal(reason: str, about: str) -> None:
    """Log that what looks personal is shared, and on whose word; raises Refused for who may not say so.

    The words themselves stand in the audit log alone (rpc/noting.py): few read that, and it has its time.
    """
    if not reason:
        return
    if not reason.strip() or len(reason) > REASON_CHARACTERS_MAX:
        raise Refused(
            "a reason is wanted" if not reason.strip() else f"a reason of {len(reason):,} characters",
            next_step=f"Say why it is nobody's private data, in at most {REASON_CHARACTERS_MAX} characters.",
            field="allow_personal",
        )
    by = gate.caller()
    if not isinstance(by, Administrator) and not (isinstance(by, ToolCaller) and SCOPES & by.scopes):
        raise Refused(
            "this certificate may not allow personal data",
            next_step=f"Ask the administrator, or whoever has scope {' or '.join(sorted(SCOPES))}.",
            field="allow_personal",
        )
    _log.warning("personal data allowed", by=noting.who(), about=about)
