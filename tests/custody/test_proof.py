"""Proofs of erasure: every way in which a value may still stand somewhere is looked for."""

from hashlib import sha256

from node.content import hashes
from node.custody import proof


def test_a_value_is_looked_for_as_it_is_written_and_as_every_kind_has_it_in_the_index() -> None:
    digest = sha256(b"one").digest()
    assert set(proof._forms(digest.hex())) >= {digest.hex().encode(), digest}
    for odd in ("https://t.example/a", "jane.doe@example.org", "of no form of any kind"):
        assert set(proof._forms(odd)) == {odd.encode(), hashes.key(odd)}
