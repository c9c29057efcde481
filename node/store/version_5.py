"""To version 5: what this node ignores, what of a crisis was not acknowledged yet, and who was woken about it."""

TABLES = (
    (
        "CREATE TABLE ignored (id BLOB NOT NULL, what TEXT NOT NULL, target BLOB NOT NULL, place INTEGER NOT NULL,"
        " member_id BLOB NOT NULL, made_ms INTEGER NOT NULL, by TEXT NOT NULL, until_ms INTEGER NOT NULL,"
        " PRIMARY KEY (id)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE delivery (hash BLOB NOT NULL, member_id BLOB NOT NULL, object_id BLOB NOT NULL,"
        " exercise BOOLEAN NOT NULL, came_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, PRIMARY KEY (hash))"
        " WITHOUT ROWID"
    ),
    (
        "CREATE TABLE alarm (hash BLOB NOT NULL, member_id BLOB NOT NULL, began_ms INTEGER NOT NULL,"
        " PRIMARY KEY (hash)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE ringing (hash BLOB NOT NULL, route TEXT NOT NULL, tries INTEGER NOT NULL,"
        " tried_ms INTEGER NOT NULL, through BOOLEAN NOT NULL DEFAULT '0', answer TEXT NOT NULL DEFAULT '',"
        " PRIMARY KEY (hash, route)) WITHOUT ROWID"
    ),
)
