"""Tests of what stands in node/crisis."""
