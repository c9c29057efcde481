"""Service Policies: until when things are kept here, for the data protection officer."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import grpc.aio
import structlog

from node.errors import ConfigError, Refused
from node.exchange import consult, explaining, references
from node.exchange.exchange import Exchange
from node.exchange.explaining import Place
from node.exchange.keeping import Keep
from node.exchange.references import Address
from node.feed.header import BULK
from node.feed.pae import FederationId
from node.policy.retention import Policy
from node.rpc import status
from node.rpc.gate import Access
from node.runtime.holding import Holding
from node.runtime.link import Clock
from node.runtime.projecting import Projecting
from node.runtime.reading import Reading
from node.runtime.writer import Writer
from node.store import deadlines, erasures
from node.store.erasures import Erasure
from node.v1 import policy_pb2, policy_pb2_grpc

ACCESS = {
    f"/tocsin.v1.Policies/{method}": Access(scope="protect", administrator=True)
    for method in ("ShowPolicy", "ExplainKeeping", "PreviewPolicy", "ApplyPolicy")
}
CODE_CHARACTERS_MAX = 64
JUSTIFICATION_CHARACTERS_MAX = 500

_log = structlog.get_logger()

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


@dataclass(frozen=True, slots=True)
class Here:
    """What only the folder knows. ``write``: durable and whole, or not at all.

    ``require_custodian`` raises ConfigError where a rule has a legal minimum and nobody could be sealed to.
    """

    folder: Path
    write: Callable[[Path, bytes], None]
    source: Callable[[Path, Policy], str]
    require_custodian: Callable[[Policy], None]


class PoliciesServicer(policy_pb2_grpc.PoliciesServicer):
    """The part of the node that is about its policy."""

    def __init__(
        self,
        writer: Writer,
        projecting: Projecting,
        reading: Reading,
        holding: Holding,
        clock: Clock,
        here: Here,
    ) -> None:
        self._writer, self._projecting, self._reading = writer, projecting, reading
        self._holding, self._clock, self._here = holding, clock, here

    @status.answers
    async def ShowPolicy(  # noqa: N802
        self, _request: policy_pb2.ShowPolicyRequest, _: _Context
    ) -> policy_pb2.ShowPolicyResponse:
        """The policy in force."""
        return policy_pb2.ShowPolicyResponse(policy=await self._in_force())

    @status.answers
    async def ExplainKeeping(  # noqa: N802
        self, request: policy_pb2.ExplainKeepingRequest, _: _Context
    ) -> policy_pb2.ExplainKeepingResponse:
        """When one record goes or went, and why."""
        keep = self._writer.keep
        address = await self._reading.run(lambda stores: references.find(stores, request.item))
        said = await asyncio.to_thread(self._said, address, keep.trust.federation_id)
        seen = consult.view(self._writer.trust, self._writer.follows, self._clock.now_ms())
        answer = await self._reading.run(lambda stores: explaining.explain(stores, keep, address, said, seen))
        under = self._holding.longest(address)
        if under is not None:
            answer.hold, answer.hold_ms = self._holding.reference(under), under.end_ms
        return answer

    @status.answers
    async def PreviewPolicy(  # noqa: N802
        self, request: policy_pb2.PreviewPolicyRequest, _: _Context
    ) -> policy_pb2.PreviewPolicyResponse:
        """What another policy would erase, and when."""
        policy = _read(request.text)
        found = await self._tally(policy)
        return policy_pb2.PreviewPolicyResponse(
            policy=explaining.view(policy, "", deciding=False),
            counts=explaining.counts_of(found),
            now=_count(found, "now"),
            held=_count(found, "held"),
        )

    @status.answers
    async def ApplyPolicy(  # noqa: N802
        self, request: policy_pb2.ApplyPolicyRequest, _: _Context
    ) -> policy_pb2.ApplyPolicyResponse:
        """Keep by this policy from now on."""
        policy = _read(request.text)
        require_words("code", request.code, CODE_CHARACTERS_MAX)
        require_words("justification", request.justification, JUSTIFICATION_CHARACTERS_MAX)
        self._require_custodian(policy)
        number = _count(await self._tally(policy), "now")
        if number > request.number:
            raise Refused(
                f"{number:,} would go now, and {request.number:,} were confirmed",
                next_step="Look again with `tocsin policy preview`, and confirm that number.",
                field="number",
            )
        before = self._writer.keep.policy.id
        await self._writer.run(partial(self._apply, policy=policy, now_ms=self._clock.now_ms()), BULK)
        _log.info("policy applied", policy=policy.name, id=policy.id.hex(), before=before.hex(), go_now=number)
        self._writer.arrived()
        self._projecting.news.tell()
        return policy_pb2.ApplyPolicyResponse(policy=await self._in_force(), number=number)

    # ---- Inside

    def _said(self, address: Address, federation_id: FederationId) -> Erasure | None:
        """What the erasure journal has about it last."""
        rows = erasures.read(self._here.folder / erasures.FILE, federation_id)[0]
        return next((one for one in reversed(rows) if erasures.covers(one, address.entry, address.position)), None)

    def _require_custodian(self, policy: Policy) -> None:
        try:
            self._here.require_custodian(policy)
        except ConfigError as error:  # what was asked for cannot be, and what is in force goes on
            raise Refused(error.reason, next_step=error.next_step, field="text") from error

    def _apply(self, exchange: Exchange, policy: Policy, now_ms: int) -> None:
        self._here.write(self._here.folder, policy.text)
        exchange.change_policy(policy, now_ms)

    async def _in_force(self) -> policy_pb2.PolicyView:
        keep = self._writer.keep
        basis = await self._reading.run(lambda stores: deadlines.basis(stores.index))
        source = self._here.source(self._here.folder, keep.policy)
        return explaining.view(keep.policy, source, deciding=basis != (keep.basis, True))

    async def _tally(self, policy: Policy) -> Counter[tuple[str, str]]:
        """All of it, in a reader's slices."""
        before, now_ms, place = self._writer.keep, self._clock.now_ms(), Place()
        keep, found = Keep(policy, before.me, before.trust), Counter[tuple[str, str]]()
        while not place.is_over:
            look = partial(explaining.tally, keep=keep, now_ms=now_ms, place=place)
            part, place = await self._reading.run(look)
            found += part
        return found


def _count(found: Counter[tuple[str, str]], wanted: str) -> int:
    return sum(count for (_, when), count in found.items() if when == wanted)


def _read(text: bytes) -> Policy:
    try:
        return explaining.read(text)
    except ConfigError as error:  # of the caller's, not of this machine's
        raise Refused(error.reason, next_step=error.next_step, field="text") from error


def require_words(field: str, text: str, characters_max: int) -> None:
    """Raise Refused for a justification without words, or with too many."""
    if not text.isprintable() or not 0 < len(text.strip()) <= characters_max:
        raise Refused(
            f"the {field} has 1 to {characters_max} characters that can be seen",
            next_step='As --justify DPIA-7 "shorter clock for links".',
            field=field,
        )
