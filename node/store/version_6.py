"""To version 6: which lists are followed because this member takes part in the crisis they belong to."""

TABLES = ("ALTER TABLE following ADD COLUMN by_crisis BOOLEAN NOT NULL DEFAULT '0'",)
