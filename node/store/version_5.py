"""To version 5: what this node ignores, by its own decision."""

TABLES = (
    (
        "CREATE TABLE ignored (id BLOB NOT NULL, what TEXT NOT NULL, target BLOB NOT NULL, place INTEGER NOT NULL,"
        " member_id BLOB NOT NULL, made_ms INTEGER NOT NULL, by TEXT NOT NULL, until_ms INTEGER NOT NULL,"
        " PRIMARY KEY (id)) WITHOUT ROWID"
    ),
)
