"""What a crisis means: states as functions of what was said, in any order. Pure."""
