"""Tests of what peers say."""
