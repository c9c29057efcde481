"""Tests of the event loop's side."""
