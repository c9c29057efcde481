"""Driver SQL inside a SQLAlchemy transaction.

Measured: 130 microseconds for a small statement through SQLAlchemy's result machinery, 6 through
the driver's own cursor. Transactions, pools and ordinary constructs stay SQLAlchemy's.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPICursor

Rows = Sequence[Sequence[Any]]


def execute(connection: sa.Connection, statement: str, parameters: Sequence[Any] = ()) -> DBAPICursor:
    """Run one statement."""
    cursor = _cursor(connection)
    cursor.execute(statement, parameters)
    return cursor


def execute_many(connection: sa.Connection, statement: str, rows: Rows) -> None:
    """Run one statement for each row."""
    if rows:
        _cursor(connection).executemany(statement, rows)


def rows(connection: sa.Connection, statement: str, parameters: Sequence[Any] = ()) -> Iterator[Sequence[Any]]:
    """All rows, read at once, so that no statement stays open behind the caller."""
    cursor = _cursor(connection)
    cursor.execute(statement, parameters)
    return iter(cursor.fetchall())


def row(connection: sa.Connection, statement: str, parameters: Sequence[Any] = ()) -> Sequence[Any] | None:
    """The first row."""
    cursor = _cursor(connection)
    cursor.execute(statement, parameters)
    found: Sequence[Any] | None = cursor.fetchone()
    return found


def scalar(connection: sa.Connection, statement: str, parameters: Sequence[Any] = ()) -> Any:
    """The first column of the first row, or None."""
    cursor = _cursor(connection)
    cursor.execute(statement, parameters)
    found = cursor.fetchone()
    return found[0] if found else None


def _cursor(connection: sa.Connection) -> DBAPICursor:
    if not connection.in_transaction():
        connection.begin()
    opened = connection.connection.dbapi_connection
    assert opened is not None, "the connection is closed"  # noqa: S101 - a transaction has begun on it
    return opened.cursor()
