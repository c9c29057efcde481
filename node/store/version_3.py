"""To version 3: where an entry came from, which branch of a fork it is on, what is decided about peers, remainders."""

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
)
