"""To version 3: where an entry came from, which branch of a fork it is on, and what is decided about peers."""

TABLES = (
    "ALTER TABLE entry ADD COLUMN source BLOB",
    "ALTER TABLE entry ADD COLUMN beside BOOLEAN NOT NULL DEFAULT '0'",
    "ALTER TABLE peer ADD COLUMN kinds TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE peer ADD COLUMN bytes_per_s INTEGER NOT NULL DEFAULT '0'",
    "ALTER TABLE peer ADD COLUMN quarantined BOOLEAN NOT NULL DEFAULT '0'",
)
