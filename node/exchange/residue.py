"""Residue: what was erased may still show in pages of the files, until they are written anew."""

from collections.abc import Sequence

from node.store import ledger, stores
from node.store.stores import Stores

SEALED = ("keys", "ledger")  # the files that the writer owns; index and digests have other threads
COMPACTED_BYTES_MAX = 4 << 20  # of ciphertext; written anew in 50 ms at most, while what is urgent waits
_NAME = "residue"


class Residue:
    """Whether there is any. The ledger remembers it over a stop, or a crash between erasing and writing anew."""

    def __init__(self, held: Stores) -> None:
        self._stores = held
        self.is_there = bool(ledger.read_meta(held.ledger, _NAME))

    def note(self) -> None:
        """Something is about to be erased."""
        if not self.is_there:
            self._remember(b"\1")
            self.is_there = True

    def forget(self) -> None:
        """All files were written anew."""
        self._remember(b"")
        self.is_there = False

    def compact(self, names: Sequence[str] = SEALED) -> bool:
        """So that no page of keys or ledger shows what was erased; whether nothing stood in the way.

        A large ledger is not written anew: what a page of it may still show has no key any more.
        """
        done = [self._compact(name) for name in names]
        return all(done)

    def _compact(self, name: str) -> bool:
        file = getattr(self._stores, name)
        return stores.compact(file, whole=name == "keys" or stores.size_bytes(file) <= COMPACTED_BYTES_MAX)

    def _remember(self, value: bytes) -> None:
        ledger.write_meta(self._stores.ledger, _NAME, value)
        self._stores.commit("ledger")
