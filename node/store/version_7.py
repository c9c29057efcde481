"""To version 7: whether somebody here has seen what woke them and was sealed to us, so that nobody else is told."""

TABLES = ("ALTER TABLE alarm ADD COLUMN confirmed_ms INTEGER NOT NULL DEFAULT '0'",)
