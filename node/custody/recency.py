"""Recency: whether the own identity log here is as long as it is anywhere, before the root signs behind it.

Two entries of the root at one place fork the member for good. A folder that was copied or rolled back may
lack what the root signed since, and nothing in it can show that. So either peers have said within the hour
that they hold no more of the log, or somebody brings it as they have it, or gives their word.
"""

from pathlib import Path

from node.config import Config
from node.custody import files, folder, identities, joining, looking, renewal, reopening, requests
from node.errors import Refused
from node.exchange import heard, ingest, rooted, verification
from node.exchange.verified import Reader
from node.feed import box, entry
from node.feed.keys import MemberId
from node.store import ledger
from node.v1 import identity_pb2


def require(config: Config, now_ms: int) -> None:
    """Raise Refused unless enough peers showed lately that they hold no more of the own log than is here."""
    with renewal.held(config.data_folder), reopening.governed(config, joining.read_charter(config)) as (opened, trust):
        head = identities.own(trust, folder.read_member(config.data_folder)).head
        if heard.is_recent(opened, head, now_ms):
            return
    raise Refused(
        f"{head.seq} entries of the root's log are here, and it may have signed more: a second one at a place "
        "forks this member for good",
        next_step="Use a spare. Or start the node, wait for its peers and stop it. Or have a peer's administrator run "
        "`tocsin identity log`, and give that file by --log. If you are sure there is no more: --unconfirmed.",
        field="log",
    )


def take(config: Config, path: Path, now_ms: int) -> int:
    """Take in the own log as a peer has it; how many entries were new. Raises Refused for anything else."""
    request, member_id = requests.read(path), folder.read_member(config.data_folder)
    charter = joining.read_charter(config)
    if (request.federation_id, request.log.identity.member_id) != (charter.federation_id, member_id):
        raise Refused(
            f"{path} has the log of {request.log.identity.inception.name}, or is of another federation",
            next_step="Have the peer name this member: `tocsin identity log NAME FILE`.",
            field="log",
        )
    made = [entry.decode(one.header, one.signature, charter.federation_id) for one in request.letter.log]
    with renewal.held(config.data_folder), reopening.governed(config, charter) as (opened, trust):
        log, reader = identities.own(trust, member_id), Reader(member_id, (), box.Hpke())
        news = made[log.head.seq :]
        if not news and made[-1].header.hash != ledger.hash_at(opened.ledger, log.head.feed_id, made[-1].header.seq):
            raise _other_branch(path)
        if not news:
            return 0
        if news[0].header.previous != log.head.hash:
            raise _other_branch(path)
        checked = verification.verify(rooted.letters(news), trust, reader)
        rooted.require_whole(checked, news)
        ingest.admit(opened, checked, trust, reader, now_ms)
        return len(news)


def _other_branch(path: Path) -> Refused:
    return Refused(
        f"what {path} has and what is here part: the root has signed one place twice",
        next_step="Nothing settles that. This member has to be revoked, and a new one endorsed.",
        field="log",
    )


def write(config: Config, member_id: MemberId, path: Path, now_ms: int) -> int:
    """A member's log as it is here, for its administrator: all of it is public among members. How many entries."""
    charter = joining.read_charter(config)
    with looking.into(config) as (opened, trust):
        letter = identity_pb2.IdentityRequest(
            federation_id=charter.federation_id,
            federation_name=charter.name,
            log=requests.letters_of(opened, identities.own(trust, member_id)),
            created_ms=now_ms,
        )
    files.create_public(path, letter.SerializeToString(deterministic=True))
    return len(letter.log)
