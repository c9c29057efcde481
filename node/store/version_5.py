"""To version 5: what came of a crisis and was not acknowledged yet, and who was woken about it."""

TABLES = (
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
