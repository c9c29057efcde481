"""What we allow and keep: pure functions of facts, rules and the time."""
