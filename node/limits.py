"""Every bound, its reason, and how the bounds relate. Units stand last in the name."""

# ---- The format (protos/README.md); these can never change within version 1.

HEADER_BYTES_MAX = 1024  # fits one network packet with its signature; keeps a year of headers near 2 GB
STATEMENT_BYTES_MAX = 640  # what the largest statement needs: a bitmap over ITEMS_MAX plus its names
SEQ_MAX = 2**40  # a thousand entries a second for thirty years
TIME_MS_MAX = 2**48 - 1  # the year 10889: sums and differences of two fit every number
PAYLOAD_BYTES_MAX = 16 << 20  # a whole payload is held in memory while it is opened
CHUNK_BYTES = 65536  # the unit of transfer and of the payload's tree; 2 of them delay an urgent frame 47 ms
ITEMS_MAX = 4096  # a bitmap over one record has 512 bytes and fits in a statement
REASON_MAX = 255  # of a withdrawal
VERDICT_MAX = 255  # of an opinion
OPINIONS_OF_FEED_MAX = 64  # about one entry, the newest: one bitmap says what 4,096 could
IGNORED_MAX = 10_000  # decisions of one node; all of them are in memory, where look-ups find them
LIFE_MS_MAX = 5 * 366 * 86_400_000  # the originator's ceiling: five years
WRAPS_MAX = 1024  # readers of one sealed payload; trial opening them all takes 50 ms
FOUNDERS_MAX = 64
STRANGERS_PER_MEMBER_MAX = 256  # candidates by one member's word: the identity log of each is stored by everybody
CHARTER_BYTES_MAX = 256 << 10
DOCUMENT_BYTES_MAX = 128 << 10  # of parameters; the text in force is held in memory
PROFILE_LIFE_MS_MAX = 400 * 86_400_000  # a year from one check of its contacts to the next, and a month to do it in
PROFILE_BYTES_MAX = 8 << 10  # sealed it still floods with its header: whoever looks for contacts waits for no fetch
PROFILE_CONTACTS_MAX = 16  # what a person reads through at night
PROFILE_ENDPOINTS_MAX = 8  # nodes of one member
PROFILE_LANGUAGES_MAX = 16
PROFILE_FUNCTION_CHARACTERS_MAX = 80  # a line of a terminal
PROFILE_TELEPHONE_CHARACTERS_MAX = 40  # 15 digits (E.164), blanks between them, an extension
PROFILE_EMAIL_CHARACTERS_MAX = 254  # RFC 5321
PROFILE_LANGUAGE_CHARACTERS_MAX = 35  # RFC 5646
PROFILE_REPLACES_MAX = 64  # earlier records that one takes the place of: the rest go with their time
CHECKPOINT_ENTRIES = 1024  # one checkpoint for each run of so many entries

# ---- The session between peers.

FRAME_BYTES_MAX = 1 << 20  # what a peer may make us parse at once; gRPC's own default is 4 MiB
INLINE_BYTES_MAX = 16 << 10  # ciphertext that floods with its header; a declaration has 1 to 4 KiB
ENTRIES_PER_FRAME_MAX = 256
HEAD_ROWS_PER_FRAME_MAX = 512
RANGES_PER_FRAME_MAX = 64
RANGES_PER_PEER_MAX = 256  # asked of one peer, or waiting for their turn: rows are claims, and may be invented
CLAIMS_PER_PEER_MAX = 1024  # feeds of its listing that are kept in mind: what four peers are asked for at a time
FEEDS_PER_AUTHOR_MAX = 8  # asked for or waiting; the next comparison of heads brings others
TURN_ENTRIES_MAX = 256  # of one author before the next one's turn: 30 ms of verifying and storing
AHEAD_PER_FEED_MAX = 16  # urgent headers kept above a gap
CHUNKS_UNACKNOWLEDGED_MAX = 2  # measured: 47 ms for an urgent frame at 86 % of the link
WANTS_PER_LINK_MAX = 64  # payloads asked of one peer at a time
BULK_BYTES_PER_S_MIN = CHUNK_BYTES  # of a peer that is limited: a chunk a second, or what it sends would stall
OUTBOX_FRAMES_MAX = 1024  # a slower reader is hung up on and syncs later
OUTBOX_BYTES_MAX = 8 << 20
FUTURE_MS_MAX = 600_000  # created_ms further ahead than this is deferred
FUTURE_MS_NEVER = 86_400_000  # further than this it is never effective
SYNC_EVERY_S = 15.0
STALL_S = 5.0  # a want without progress moves to another peer
MESH_PEERS = 8  # above twelve peers; isolation 1.4e-4 with a third of them silent
FLOOD_PEERS_MAX = 12
MESH_DIALLED_MIN = 4  # of the mesh: whoever calls us cannot fill it
PEER_ADDRESSES_MAX = 4  # dialled in turn for one peer: a profile makes nobody call the world
SYNC_PEERS_MAX = 4  # asked for ranges at a time; after a long absence every peer has the same to give

# ---- In-house tools.

VALUES_PER_LOOK_UP_MAX = 1000  # 2 ms of one thread; larger ones would make all others wait longer, and gain nothing
QUESTIONS_UNDER_WAY_MAX = 64  # of one stream of look-ups: 64 kB each at most, and what is looked up together

# ---- The stores.

DIGESTS_PER_TRANSACTION_MAX = 2000  # bounds how long bulk keeps the index from the urgent

# ---- The audit log.

AUDIT_SEGMENT_LINES_MAX = 4096  # of which a start reads the last one: 2 MB, in a fifth of a second
AUDIT_SEGMENT_MS_MAX = 86_400_000  # segments are erased whole: nothing stays a day longer than its life
AUDIT_REFERENCES_MAX = 256  # named in one line; what names more is several lines
AUDIT_WORDS_MAX = 256  # of a justification: it says why, and is no place for the case itself
AUDIT_LOOK_UPS_MAX = 10_000  # noted as one line: so many go if the machine stops
AUDIT_BATCH_MS = 60_000  # or what was asked in a minute
AUDIT_RELAY_MS = 3_600_000  # what peers were sent: they hold what they were sent longer than that
ANCHOR_EVERY_S = 3600.0  # what was written since then nobody else can witness

assert STATEMENT_BYTES_MAX + 384 <= HEADER_BYTES_MAX  # noqa: S101 - all other fields of a header
assert ITEMS_MAX // 8 + 64 <= STATEMENT_BYTES_MAX  # noqa: S101 - a withdrawal of single items
assert CHUNK_BYTES * CHUNKS_UNACKNOWLEDGED_MAX < FRAME_BYTES_MAX  # noqa: S101
assert 2 * PROFILE_BYTES_MAX <= INLINE_BYTES_MAX  # noqa: S101 - padding adds less than half
assert CLAIMS_PER_PEER_MAX == RANGES_PER_PEER_MAX * SYNC_PEERS_MAX  # noqa: S101 - three others may have the same
assert PAYLOAD_BYTES_MAX % CHUNK_BYTES == 0  # noqa: S101
