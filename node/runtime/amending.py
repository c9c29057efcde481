"""Amending: the rules in force on this node, and our own signature under other ones."""

import asyncio
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

import structlog

from node.crisis import frameworks
from node.errors import NodeError, Refused
from node.exchange import amendments, documents, foreseeing
from node.exchange.amendments import Meant
from node.exchange.consult import View
from node.feed.facts import Facts
from node.feed.header import NORMAL
from node.feed.keys import MemberId
from node.policy import wording
from node.runtime.saying import Saying
from node.runtime.threads import ReadingThreads
from node.runtime.work import Work
from node.store.stores import Stores
from node.v1 import charter_pb2

LOOK_EVERY_S = 0.2  # for a text that is on its way: a list that is fetched meanwhile is news a hundred times a second
SAY_AGAIN_EVERY_S = 3600.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Weighed:
    """What is to be signed, whether it is already, and what to know before."""

    meant: Meant
    done: bool
    warnings: list[str]


class Amending:
    """One amendment at a time, so that the same request twice is one signature.

    Whatever goes through all amendments does so in a thread: a member may propose as many as its quota lets it.
    """

    def __init__(self, saying: Saying, threads: ReadingThreads) -> None:
        self._saying, self._threads = saying, threads
        self._work = Work()
        self._one = asyncio.Lock()
        self._facts: Facts | None = None  # of which all texts are at hand
        self._hash = saying.writer.trust.rules.hash

    # ---- Looking

    async def rules(self, request: charter_pb2.GetRulesRequest) -> charter_pb2.GetRulesResponse:
        """What is in force, in words and as text."""
        seen = self._saying.view()
        present, charter = seen.trust.rules, seen.trust.charter
        text = documents.text_of(seen.trust, present)
        views = await self._views(seen) if present.number else []
        charter_itself = charter_pb2.AmendmentView(
            state=amendments.State.IN_FORCE, document=sha256(charter.document).digest(), text_here=True
        )
        return charter_pb2.GetRulesResponse(
            federation_name=charter.name,
            federation_id=charter.federation_id,
            state=documents.state(seen.trust),
            amendment=next((one for one in views if one.hash == present.hash), charter_itself),
            words=amendments.words(seen, present, text),
            text=text or b"" if request.text else b"",
        )

    async def history(self) -> charter_pb2.ListAmendmentsResponse:
        """Every amendment, and how far it is."""
        return charter_pb2.ListAmendmentsResponse(amendments=await self._views(self._saying.view()))

    async def _views(self, seen: View) -> list[charter_pb2.AmendmentView]:
        return await self._threads.run(partial(_views, seen=seen))

    # ---- Frameworks

    def frameworks(self, request: charter_pb2.ListFrameworksRequest) -> charter_pb2.ListFrameworksResponse:
        """Those that the rules name, and those that come with the program; raises Refused for a name of none."""
        seen = self._saying.view()
        every = documents.every_framework(seen.trust, seen.rules)
        found = [one for one in every if request.name in ("", one.name)]
        if not found:
            known = ", ".join(dict.fromkeys(one.name for one in every))
            raise Refused(f"there is no framework {request.name!r}", next_step=f"There is {known}.", field="name")
        for one in found:
            if not request.text:
                one.ClearField("text")
        return charter_pb2.ListFrameworksResponse(frameworks=found)

    async def publish_framework(
        self, request: charter_pb2.PublishFrameworkRequest
    ) -> charter_pb2.PublishFrameworkResponse:
        """Send a framework's document to all members; raises Refused for a text that is none."""
        read = frameworks.decode(request.text, "the framework")
        seen, hash_ = self._saying.view(), sha256(request.text).digest()
        if self._saying.writer.reader.member_id not in seen.roster.seats:
            raise Refused("this node's member has no seat: others would not keep it", next_step="`tocsin member`")
        draft = documents.draft(request.text, read.name, read.version, seen.now_ms)
        await self._work.through(self._saying.say_visibly([draft], NORMAL))
        await self._keep([request.text])
        seen = self._saying.view()
        named = (read.name, read.version, hash_.hex())
        is_named = any(
            (one.name, one.version, one.sha256) == named for one in (seen.rules.frameworks if seen.rules else [])
        )
        view = documents.framework_view(seen.trust, read.name, read.version, hash_, is_named=is_named)
        return charter_pb2.PublishFrameworkResponse(framework=view)

    # ---- Signing

    async def amend(self, request: charter_pb2.AmendRequest) -> charter_pb2.AmendResponse:
        """Propose an amendment or sign one, or only say what that would be; raises Refused."""
        async with self._one:
            return await self._work.through(self._amend(request))

    async def _amend(self, request: charter_pb2.AmendRequest) -> charter_pb2.AmendResponse:
        seen, me = self._saying.view(), self._saying.writer.reader.member_id
        weighed = await self._threads.run(partial(_weigh, seen=seen, me=me, request=request))
        if not weighed.done and not request.dry_run:
            await self._sign(seen, weighed.meant)
        return await self._answer(seen, weighed)

    async def _sign(self, seen: View, meant: Meant) -> None:
        find = partial(documents.find, hash_=meant.rules.document)
        has_text = await self._saying.reading.run(find) is not None
        await self._saying.say(meant.drafts(seen.trust.charter.name, seen.now_ms, has_text=has_text), NORMAL)
        await self._keep([meant.text])

    async def _answer(self, before: View, weighed: _Weighed) -> charter_pb2.AmendResponse:
        now, meant = self._saying.view(), weighed.meant
        found = next((one for one in await self._views(now) if one.hash == meant.hash), None)
        view = found or await asyncio.to_thread(amendments.unsigned, before, meant)
        text = documents.text_of(before.trust, before.trust.rules)
        lines = amendments.words(before, before.trust.rules, text), amendments.words(before, meant.rules, meant.text)
        return charter_pb2.AmendResponse(
            amendment=view,
            changes=wording.changes(*lines),
            text_before=text or b"",
            text_after=meant.text,
            warnings=weighed.warnings,
            repeated_call=weighed.done,
        )

    # ---- Having the texts at hand

    async def run(self) -> None:
        """Find the texts that amendments name among what arrives, and say ours again in time, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._find_texts())
            tasks.create_task(self._say_again())

    async def _find_texts(self) -> None:
        news = self._saying.projecting.news
        while True:
            seen = news.version
            try:
                await self._look()
            except NodeError as error:
                _log.error("amendment's text not kept", reason=error.reason)
            await news.newer(seen)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self) -> None:
        trust = self._saying.writer.trust
        if trust.facts is self._facts:
            return
        if trust.rules.hash != self._hash:
            await self._keep([])
        while lacking := await asyncio.to_thread(documents.lacking, self._saying.writer.trust):
            found = await self._saying.reading.run(partial(documents.come, hashes=lacking))
            if not found:
                return
            await self._keep(found)  # rules that have come name further texts
        self._facts = trust.facts

    async def _keep(self, texts: list[bytes]) -> None:
        writer = self._saying.writer
        await writer.run(lambda exchange: exchange.keep_documents(texts))
        writer.news.tell()
        present = writer.trust.rules
        if present.hash != self._hash:
            self._hash = present.hash
            _log.info("amendment in force", number=present.number, state=documents.state(writer.trust))

    async def _say_again(self) -> None:
        while True:
            try:
                await self._say_due()
            except NodeError as error:
                _log.error("text in force not said again", reason=error.reason)
            await asyncio.sleep(SAY_AGAIN_EVERY_S)

    async def _say_due(self) -> None:
        """What is in force must outlive the records that brought it, for whoever joins later."""
        seen, me = self._saying.view(), self._saying.writer.reader.member_id
        signers = await asyncio.to_thread(amendments.signers, seen)
        if me not in signers:
            return
        for hash_, draft in documents.in_force(seen.trust, seen.now_ms).items():
            until_ms = await self._saying.reading.run(partial(documents.last_until_ms, hash_=hash_))
            if documents.is_to_be_said_again(until_ms, signers.index(me), seen.now_ms):
                await self._saying.say([draft], NORMAL)


def _views(stores: Stores, seen: View) -> list[charter_pb2.AmendmentView]:
    hashes = sorted({one.rules.document for one in amendments.history(seen).every})
    here = {hash_: text for hash_ in hashes if (text := documents.find(stores, hash_)) is not None}
    return amendments.views(seen, amendments.signed_ms(stores, seen), {**here, **seen.trust.documents})


def _weigh(stores: Stores, seen: View, me: MemberId, request: charter_pb2.AmendRequest) -> _Weighed:
    """Raises Refused for what is not to be signed."""
    amendments.require_entitled(seen, me)
    meant = _meant(stores, seen, request)
    if request.expected_hash and request.expected_hash != meant.hash:
        raise Refused(
            "something else is in force than when the difference was shown",
            next_step="Look at the difference again: repeat the command.",
        )
    if not request.force:
        amendments.require_open(seen, meant)
    signed = amendments.history(seen).find(meant.hash)
    done = signed is not None and me in signed.signers
    warnings = [*amendments.warnings(seen, meant, me), *foreseeing.warnings(stores, seen, meant.text)]
    return _Weighed(meant, done, warnings)


def _meant(stores: Stores, seen: View, request: charter_pb2.AmendRequest) -> Meant:
    if request.WhichOneof("what") != "agree":
        return amendments.meant_by_text(seen, request.text)
    proposal = amendments.named(seen, request.agree)
    hash_ = proposal.rules.document
    text = seen.trust.documents.get(hash_) or documents.find(stores, hash_)
    return amendments.meant_by_proposal(seen, proposal, text, force=request.force)
