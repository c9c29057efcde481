"""To version 3: where entries came from, on which branch of a fork, decisions about peers, remainders, duties."""

TABLES = (
    "ALTER TABLE entry ADD COLUMN source BLOB",
    "ALTER TABLE entry ADD COLUMN beside BOOLEAN NOT NULL DEFAULT '0'",
    "ALTER TABLE peer ADD COLUMN kinds TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE peer ADD COLUMN bytes_per_s INTEGER NOT NULL DEFAULT '0'",
    "ALTER TABLE peer ADD COLUMN quarantined BOOLEAN NOT NULL DEFAULT '0'",
    "CREATE INDEX payload_expiry ON payload (expires_ms) WHERE state != 4",
    "CREATE INDEX payload_sealed ON payload (state) WHERE state = 2",
    (
        "CREATE TABLE remainder (hash BLOB NOT NULL, positions BLOB NOT NULL, box BLOB NOT NULL,"
        " PRIMARY KEY (hash)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE duty (hash BLOB NOT NULL, feed_id BLOB NOT NULL, seq INTEGER NOT NULL, member_id BLOB NOT NULL,"
        " target BLOB NOT NULL, positions BLOB NOT NULL, pressing BOOLEAN NOT NULL, came_ms INTEGER NOT NULL,"
        " erased_ms INTEGER NOT NULL DEFAULT '0', said BOOLEAN NOT NULL DEFAULT '0', PRIMARY KEY (hash)) WITHOUT ROWID"
    ),
    "CREATE INDEX duty_place ON duty (feed_id, seq)",
)
