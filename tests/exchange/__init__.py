"""Tests of what the node does, on real files."""
