"""Service Accountability: what is held of a data subject, and reports on what this node processes."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import grpc.aio

from node.content.hashes import Item
from node.exchange import accounting, extracts, subjects
from node.exchange.accounting import Given, Tally
from node.exchange.audit import Line
from node.exchange.recipients import Recipient, Recipients
from node.exchange.subjects import Found, Here
from node.feed.box import Randomness
from node.feed.pae import FederationId
from node.policy import impact, processing
from node.policy.reporting import Document, Facts
from node.rpc import policies, status
from node.rpc.gate import Access
from node.runtime.auditing import Auditing
from node.runtime.holding import Holding
from node.runtime.saying import Saying
from node.store import erasures
from node.v1 import accountability_pb2, accountability_pb2_grpc

ACCESS = {
    f"/tocsin.v1.Accountability/{method}": Access(scope="protect", administrator=True)
    for method in ("SearchSubject", "ReportProcessing", "ReportImpact")
}
SALT_BYTES = 16
RECIPIENTS_MAX = 64  # of one place

_Look: TypeAlias = "Callable[..., tuple[list[Found], int]]"
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


@dataclass(frozen=True, slots=True)
class Folder:
    """What only the folder knows, looked at anew for each report."""

    data: Path
    given: Callable[[], Given]
    randomness: Randomness


class AccountabilityServicer(accountability_pb2_grpc.AccountabilityServicer):
    """What the data protection officer has to answer for."""

    def __init__(self, saying: Saying, auditing: Auditing, holding: Holding, folder: Folder) -> None:
        self._saying, self._auditing, self._holding, self._folder = saying, auditing, holding, folder
        self._reading = saying.reading

    @status.answers
    async def SearchSubject(  # noqa: N802
        self, request: accountability_pb2.SearchSubjectRequest, _context: _Context
    ) -> accountability_pb2.SearchSubjectResponse:
        """Whether a value is held, why, and who may have received it."""
        asked = subjects.values(request.values)
        policies.require_words("code", request.code, policies.CODE_CHARACTERS_MAX)
        policies.require_words("justification", request.justification, policies.JUSTIFICATION_CHARACTERS_MAX)
        salt, federation_id = self._folder.randomness(SALT_BYTES), self._saying.writer.trust.federation_id
        here = await self._here()
        found, more = await self._find(asked)
        told = [await self._reading.run(partial(subjects.place, here=here, found=one)) for one in found]
        places = [one for one in told if one is not None]
        who = Recipients([about for _, about in places])
        await self._read_log(who.take)
        for number, (letter, _) in enumerate(places):
            _put_recipients(letter, who.of(number))
        return accountability_pb2.SearchSubjectResponse(
            searched_ms=here.now_ms,
            places=[letter for letter, _ in places],
            left_off=more,
            salt=salt,
            asked=[subjects.commitment(one, salt, federation_id) for one in asked],
            members=sorted(here.seen.trust.name_of(one) for one in here.seen.roster.seats),
            unsearched=await self._reading.run(lambda stores: subjects.unsearched(stores, here, asked)),
            limits=who.limits,
            log_since_ms=who.since_ms,
        )

    @status.answers
    async def ReportProcessing(  # noqa: N802
        self, _request: accountability_pb2.ReportProcessingRequest, _: _Context
    ) -> accountability_pb2.ReportProcessingResponse:
        """The record of processing activities."""
        return accountability_pb2.ReportProcessingResponse(report=_report(processing.document(await self._facts())))

    @status.answers
    async def ReportImpact(  # noqa: N802
        self, _request: accountability_pb2.ReportImpactRequest, _context: _Context
    ) -> accountability_pb2.ReportImpactResponse:
        """The annex to an impact assessment."""
        seen, holds = self._saying.view(), self._holding.holds
        tally, now_ms, me = Tally(seen.now_ms), seen.now_ms, seen.follows.me
        await self._read_log(tally.take)
        journal = self._folder.data / erasures.FILE
        rows, _, _ = await asyncio.to_thread(erasures.read, journal, seen.trust.federation_id)
        taken_back = await self._reading.run(lambda stores: accounting.taken_back(stores, me, now_ms))
        counted = [*taken_back, *accounting.erased(rows, now_ms), *accounting.held(holds, now_ms), *tally.rows]
        standing = await self._reading.run(lambda stores: accounting.standing(stores, seen, holds))
        made = impact.document(await self._facts(), counted, standing)
        return accountability_pb2.ReportImpactResponse(report=_report(made))

    # ---- Inside

    async def _here(self) -> Here:
        aside = await self._reading.run(subjects.aside)
        holds = [(one, self._holding.reference(one)) for one in self._holding.holds if not one.is_over]
        return Here(self._saying.view(), self._saying.writer.keep, aside, holds)

    async def _find(self, asked: Sequence[Item]) -> tuple[list[Found], int]:
        """As many places as an answer has, and how many more there are; in a reader's slices."""
        writer = self._saying.writer
        every = await self._reading.run(lambda stores: subjects.items(stores, asked))
        found, total = every[: subjects.PLACES_MAX], len(every)
        looks: tuple[_Look, ...] = (
            partial(subjects.texts, asked=asked),
            partial(subjects.beside, asked=asked, keep=writer.keep, reader=writer.reader),
        )
        for look in looks:
            after = 0
            while after >= 0:
                page, after = await self._reading.run(partial(look, after=after))
                found += page[: subjects.PLACES_MAX - len(found)]
                total += len(page)
        return found, total - len(found)

    async def _read_log(self, take: Callable[[Iterable[Line]], None]) -> None:
        """All lines, also those that wait to be written, without keeping the loop from what is urgent."""
        await self._auditing.flush(everything=True)
        federation_id = self._saying.writer.trust.federation_id
        async for _, data in self._auditing.read():
            await asyncio.to_thread(_take, take, data, federation_id)

    async def _facts(self) -> Facts:
        seen, policy = self._saying.view(), self._saying.writer.keep.policy
        given = await asyncio.to_thread(self._folder.given)
        return await self._reading.run(lambda stores: accounting.facts(stores, seen, policy, given))


def _take(take: Callable[[Iterable[Line]], None], data: bytes, federation_id: FederationId) -> None:
    take(extracts.lines([data], federation_id))


def _put_recipients(letter: accountability_pb2.HeldPlace, found: list[Recipient]) -> None:
    letter.recipients.extend(
        accountability_pb2.SubjectRecipient(
            who=one.who,
            act=one.act,
            proof=one.proof,
            first_ms=one.first_ms,
            last_ms=one.last_ms,
            lines=one.lines,
            why=one.why,
        )
        for one in found[:RECIPIENTS_MAX]
    )
    letter.recipients_left_off = max(len(found) - RECIPIENTS_MAX, 0)


def _report(made: Document) -> accountability_pb2.Report:
    return accountability_pb2.Report(
        title=made.title,
        sections=[
            accountability_pb2.ReportSection(
                heading=one.heading,
                paragraphs=one.paragraphs,
                columns=one.columns,
                rows=[accountability_pb2.ReportRow(cells=cells) for cells in one.rows],
            )
            for one in made.sections
        ],
    )
