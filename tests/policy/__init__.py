"""Tests of what stands in node/policy."""
