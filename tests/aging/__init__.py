"""Years of a busy node on a clock that jumps from due time to due time: `scripts/age`."""
