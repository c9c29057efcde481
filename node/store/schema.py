"""The tables. Ids are the 32 bytes of the format; times are milliseconds since 1970."""

import sqlalchemy as sa

VERSION = 8

ledger = sa.MetaData()
keys = sa.MetaData()
index = sa.MetaData()
digests = sa.MetaData()

meta = sa.Table(
    "meta",
    ledger,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)

entry = sa.Table(
    "entry",
    ledger,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("feed_id", sa.LargeBinary, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("kind", sa.Integer, nullable=False),
    sa.Column("chained", sa.Boolean, nullable=False),  # false: kept above a gap
    sa.Column("received_ms", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.Column("source", sa.LargeBinary),  # the only peer that brought it; none: ours, several, or not known
    sa.Column("beside", sa.Boolean, nullable=False, server_default="0"),  # on a branch that its root did not name
    sa.Index("entry_place", "feed_id", "seq"),
    sqlite_with_rowid=True,
)
sa.Index("entry_statement", entry.c.kind, sqlite_where=entry.c.kind < 64)

head = sa.Table(
    "head",
    ledger,
    sa.Column("feed_id", sa.LargeBinary, primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

fork = sa.Table(
    "fork",
    ledger,
    sa.Column("feed_id", sa.LargeBinary, primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("first_body", sa.LargeBinary, nullable=False),
    sa.Column("first_signature", sa.LargeBinary, nullable=False),
    sa.Column("second_body", sa.LargeBinary, nullable=False),
    sa.Column("second_signature", sa.LargeBinary, nullable=False),
)

payload = sa.Table(
    "payload",
    ledger,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("state", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("lane", sa.Integer, nullable=False),
    sa.Column("chunks", sa.Integer, nullable=False),
    sa.Column("expires_ms", sa.Integer, nullable=False),
    sa.Column("boxed", sa.Boolean, nullable=False),  # its box is in the other file
    sa.Column("list_id", sa.LargeBinary),  # the object, where it is a record of a list
    sa.Column("relay_until_ms", sa.Integer, nullable=False, server_default="0"),  # fetched for a peer, not for us
    sa.Column("elsewhere", sa.Boolean, nullable=False, server_default="0"),  # ours, and another member has it
    sa.Column("exercise", sa.Boolean, nullable=False, server_default="0"),
)
sa.Index("payload_relayed", payload.c.relay_until_ms, sqlite_where=payload.c.relay_until_ms > 0)
sa.Index("payload_list", payload.c.list_id, sqlite_where=payload.c.list_id.is_not(None))
sa.Index("payload_missing", payload.c.lane, sqlite_where=payload.c.state == 0)
sa.Index("payload_expiry", payload.c.expires_ms, sqlite_where=payload.c.state != 4)
sa.Index("payload_sealed", payload.c.state, sqlite_where=payload.c.state == 2)

halt = sa.Table(
    "halt",
    ledger,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("object_id", sa.LargeBinary, nullable=False),
    sa.Column("feed_id", sa.LargeBinary, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("kind", sa.Integer, nullable=False),  # a later program may know it
    sa.Column("exercise", sa.Boolean, nullable=False),
    sa.Column("created_ms", sa.Integer, nullable=False),
    sa.Index("halt_object", "object_id"),
    sqlite_with_rowid=False,
)

remainder = sa.Table(
    "remainder",
    ledger,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("positions", sa.LargeBinary, nullable=False),  # of the items that are gone, as bits
    sa.Column("box", sa.LargeBinary, nullable=False),  # the name of its key box, which no header has
    sqlite_with_rowid=False,
)

chunk = sa.Table(
    "chunk",
    ledger,
    sa.Column("chunk", sa.Integer, primary_key=True),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Index("chunk_place", "hash", "number", unique=True),
)

arrival = sa.Table(
    "arrival",
    ledger,
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("urgent", sa.Boolean, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Index("arrival_order", "urgent", "position"),
    sqlite_autoincrement=True,  # a position is never given twice, not even after an erasure
)

deferred = sa.Table(
    "deferred",
    ledger,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("urgent", sa.Boolean, nullable=False),
    sa.Column("due_ms", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

peer = sa.Table(
    "peer",
    ledger,
    sa.Column("member_id", sa.LargeBinary, primary_key=True),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("tls_issuer", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("added_ms", sa.Integer, nullable=False),
    sa.Column("kinds", sa.Text, nullable=False, server_default=""),  # what is taken from it, by name; empty: all
    sa.Column("bytes_per_s", sa.Integer, nullable=False, server_default="0"),  # of bulk to it and from it; 0: no limit
    sa.Column("quarantined", sa.Boolean, nullable=False, server_default="0"),  # what came only from it is set aside
)

acknowledged = sa.Table(
    "acknowledged",
    ledger,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("urgent", sa.Integer, nullable=False),
    sa.Column("bulk", sa.Integer, nullable=False),
)

following = sa.Table(
    "following",
    ledger,
    sa.Column("member_id", sa.LargeBinary, primary_key=True),
    sa.Column("object_id", sa.LargeBinary, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),  # followed, previewed or dropped
    sa.Column("until_ms", sa.Integer, nullable=False),  # of a preview
    sa.Column("by_crisis", sa.Boolean, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)

ignored = sa.Table(  # by this node's own decision
    "ignored",
    ledger,
    sa.Column("id", sa.LargeBinary, primary_key=True),
    sa.Column("what", sa.Text, nullable=False),  # item, value, list or crisis
    sa.Column("target", sa.LargeBinary, nullable=False),  # its record, the value as digests are kept, or the object
    sa.Column("place", sa.Integer, nullable=False),  # of the item; of a value its kind
    sa.Column("member_id", sa.LargeBinary, nullable=False),  # the owner; of a value nobody
    sa.Column("made_ms", sa.Integer, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("until_ms", sa.Integer, nullable=False),  # 0: for good
    sqlite_with_rowid=False,
)

duty = sa.Table(  # withdrawals of others that are to be answered with a receipt
    "duty",
    ledger,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("feed_id", sa.LargeBinary, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("member_id", sa.LargeBinary, nullable=False),
    sa.Column("target", sa.LargeBinary, nullable=False),  # an entry's hash, or an object's id
    sa.Column("positions", sa.LargeBinary, nullable=False),  # empty: all of it
    sa.Column("pressing", sa.Boolean, nullable=False),
    sa.Column("came_ms", sa.Integer, nullable=False),
    sa.Column("erased_ms", sa.Integer, nullable=False, server_default="0"),  # when that was seen; 0: not yet
    sa.Column("said", sa.Boolean, nullable=False, server_default="0"),  # 1: that it restricts; 2: that it is held
    sa.Index("duty_place", "feed_id", "seq"),
    sqlite_with_rowid=False,
)

delivery = sa.Table(  # what came here of a crisis, and no member was told of that yet
    "delivery",
    ledger,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("member_id", sa.LargeBinary, nullable=False),  # its author
    sa.Column("object_id", sa.LargeBinary, nullable=False),
    sa.Column("exercise", sa.Boolean, nullable=False),
    sa.Column("came_ms", sa.Integer, nullable=False),
    sa.Column("expires_ms", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

alarm = sa.Table(  # crises about which somebody is woken here
    "alarm",
    ledger,
    sa.Column("hash", sa.LargeBinary, primary_key=True),  # of the declaration
    sa.Column("member_id", sa.LargeBinary, nullable=False),  # its author
    sa.Column("began_ms", sa.Integer, nullable=False),
    sa.Column("confirmed_ms", sa.Integer, nullable=False, server_default="0"),  # here alone: of what is sealed to us
    sqlite_with_rowid=False,
)

ringing = sa.Table(  # how far one way to wake somebody is with one of them
    "ringing",
    ledger,
    sa.Column("hash", sa.LargeBinary, primary_key=True),  # empty: a test
    sa.Column("route", sa.Text, primary_key=True),  # by its name
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("tried_ms", sa.Integer, nullable=False),  # the last of them began
    sa.Column("through", sa.Boolean, nullable=False, server_default="0"),  # false also while it is under way
    sa.Column("answer", sa.Text, nullable=False, server_default=""),
    sqlite_with_rowid=False,
)

box = sa.Table(
    "box",
    keys,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("box", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

projected = sa.Table(
    "projected",
    index,
    sa.Column("store_id", sa.LargeBinary, primary_key=True),
    sa.Column("urgent", sa.Integer, nullable=False),
    sa.Column("bulk", sa.Integer, nullable=False),
)

record, drill_record = (  # what is a drill stands in a table of its own
    sa.Table(
        name,
        index,
        sa.Column("record", sa.Integer, primary_key=True),  # its number, which no other has in either table
        sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("shown", sa.Boolean, nullable=False),  # false until all its digests are there
        sa.Column("feed_id", sa.LargeBinary, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("member_id", sa.LargeBinary, nullable=False),
        sa.Column("object_id", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("exercise", sa.Boolean, nullable=False),
        sa.Column("created_ms", sa.Integer, nullable=False),
        sa.Column("expires_ms", sa.Integer, nullable=False),
        sa.Column("received_ms", sa.Integer, nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
        sa.Column("moves", sa.Boolean, nullable=False),  # an act that may move its crisis
        sa.Column("content", sa.LargeBinary, nullable=False),  # the record without its items
        sa.CheckConstraint(f"exercise = {int(is_drill)}"),
        sa.Index(f"{name}_object", "object_id", "kind", "member_id"),
        sa.Index(f"{name}_kind", "kind"),
    )
    for name, is_drill in (("record", False), ("drill_record", True))
)


@sa.event.listens_for(index, "after_create")
def _create_view(_: sa.MetaData, connection: sa.Connection, **__: object) -> None:
    view = "SELECT * FROM record UNION ALL SELECT * FROM drill_record"
    connection.exec_driver_sql(f"CREATE VIEW IF NOT EXISTS any_record AS {view}")


numbered = sa.Table(  # the last number that was given to a record, also where that is forgotten
    "numbered",
    index,
    sa.Column("one", sa.Integer, primary_key=True),
    sa.Column("last", sa.Integer, nullable=False),
)

due = sa.Table(
    "due",
    index,
    sa.Column("record", sa.Integer, primary_key=True),
    sa.Column("due_ms", sa.Integer, nullable=False),
    sa.Column("rule", sa.Integer, nullable=False),  # of the policy, from 1
    sa.Column("won", sa.Integer, nullable=False),  # which bound came first
    sa.Column("about", sa.LargeBinary, nullable=False),  # the crisis or the entry it depends on; empty: neither
    sa.Index("due_order", "due_ms"),
    sa.Index("due_about", "about", "record"),
)

redo = sa.Table(
    "redo",
    index,
    sa.Column("about", sa.LargeBinary, primary_key=True),  # what depends on this is decided anew; empty: everything
    sa.Column("after", sa.Integer, nullable=False),  # how far that is, by record; -1: done
    sa.Column("basis", sa.LargeBinary, nullable=False),  # of everything: by what it is decided
    sqlite_with_rowid=False,
)

withdrawal = sa.Table(
    "withdrawal",
    index,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("target", sa.LargeBinary, nullable=False),  # an entry's hash, or an object's id
    sa.Column("member_id", sa.LargeBinary, nullable=False),
    sa.Column("feed_id", sa.LargeBinary, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("created_ms", sa.Integer, nullable=False),
    sa.Column("reason", sa.Integer, nullable=False),
    sa.Column("positions", sa.LargeBinary, nullable=False),  # empty: all of it
    sa.Index("withdrawal_target", "target", "member_id"),
)

replacement = sa.Table(
    "replacement",
    index,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("target", sa.LargeBinary, primary_key=True),
    sa.Column("member_id", sa.LargeBinary, nullable=False),
    sa.Column("object_id", sa.LargeBinary, nullable=False),
    sa.Column("feed_id", sa.LargeBinary, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Index("replacement_target", "target", "member_id"),
    sqlite_with_rowid=False,
)

receipt = sa.Table(  # of withdrawals of our own
    "receipt",
    index,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("member_id", sa.LargeBinary, nullable=False),
    sa.Column("feed_id", sa.LargeBinary, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),  # the last withdrawal that it answers
    sa.Column("about_feed", sa.LargeBinary, nullable=False),  # where that stands; empty: it was not here yet
    sa.Column("last_seq", sa.Integer, nullable=False),
    sa.Column("first_seq", sa.Integer, nullable=False),
    sa.Column("restricted_ms", sa.Integer, nullable=False),
    sa.Column("erased_ms", sa.Integer, nullable=False),
    sa.Column("ground", sa.Integer, nullable=False),
    sa.Column("until_ms", sa.Integer, nullable=False),
    sa.Index("receipt_about", "about_feed", "last_seq"),
    sqlite_with_rowid=False,
)

opinion = sa.Table(
    "opinion",
    index,
    sa.Column("record", sa.Integer, primary_key=True),
    sa.Column("target", sa.LargeBinary, nullable=False),  # an entry's hash
    sa.Column("feed_id", sa.LargeBinary, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("verdict", sa.Integer, nullable=False),
    sa.Column("places", sa.LargeBinary, nullable=False),  # of its items, as bits
    sa.Index("opinion_target", "target", "feed_id", "seq"),
)

acknowledgement = sa.Table(  # which records acknowledge an entry
    "acknowledgement",
    index,
    sa.Column("entry", sa.LargeBinary, primary_key=True),
    sa.Column("record", sa.Integer, primary_key=True),
    sa.Index("acknowledgement_record", "record"),
    sqlite_with_rowid=False,
)

digest, drill = (  # what stands in records of drills has a table of its own
    sa.Table(
        name,
        digests,
        sa.Column("kind", sa.Integer, primary_key=True),
        sa.Column("value", sa.LargeBinary, primary_key=True),
        sa.Column("record", sa.Integer, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sqlite_with_rowid=False,
    )
    for name in ("digest", "drill")
)

written = sa.Table(
    "written",
    digests,
    sa.Column("record", sa.Integer, primary_key=True),
    sa.Column("whole", sa.Boolean, nullable=False),  # true in the transaction that wrote its last digest
)
