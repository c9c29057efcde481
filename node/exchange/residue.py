"""Residue: what was erased may still show in pages of the files, until they are written anew."""

from collections.abc import Sequence

from node.store import ledger, stores
from node.store.stores import Stores

SEALED = ("keys", "ledger")  # the files that the writer owns; index and digests have other threads
COMPACTED_BYTES_MAX = 4 << 20  # of ciphertext; written anew in 50 ms at most, while what is urgent waits
_NAME = "residue"
_ANY, _PIECES = b"\1", b"\2"  # in some file; of ciphertext alone, in a large ledger


class Residue:
    """Whether there is any. The ledger remembers it over a stop, or a crash between erasing and writing anew."""

    def __init__(self, held: Stores) -> None:
        self._stores = held
        self.is_there = ledger.read_meta(held.ledger, _NAME) == _ANY

    def note(self) -> None:
        """Something is about to be erased."""
        if not self.is_there:
            self._remember(_ANY)
            self.is_there = True

    def forget(self) -> None:
        """All files were written anew, but for a large ledger: that is at the next start."""
        self._remember(_PIECES if self._is_large("ledger") else b"")
        self.is_there = False

    def mend(self) -> None:
        """At a start, when nobody waits: write a large ledger anew, if something was erased from it."""
        if ledger.read_meta(self._stores.ledger, _NAME) == _PIECES and stores.compact(self._stores.ledger):
            self._remember(b"")

    def compact(self, names: Sequence[str] = SEALED) -> bool:
        """So that no page of keys or ledger shows what was erased; whether nothing stood in the way.

        A large ledger is written anew at the next start: what a page of it may still show has no key any more.
        """
        done = [self._compact(name) for name in names]
        return all(done)

    def _compact(self, name: str) -> bool:
        return stores.compact(getattr(self._stores, name), whole=name == "keys" or not self._is_large(name))

    def _is_large(self, name: str) -> bool:
        return stores.size_bytes(getattr(self._stores, name)) > COMPACTED_BYTES_MAX

    def _remember(self, value: bytes) -> None:
        ledger.write_meta(self._stores.ledger, _NAME, value)
        self._stores.commit("ledger")
