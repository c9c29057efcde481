"""Growing: sets and indexes that are only ever added to, at a cost that hardly depends on their size.

Adding makes another and leaves this one as it is. Each is a few layers, every one more than twice as large
as the next, so that an element is copied as often as a doubling takes place and no more.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Generic, TypeVar

Element = TypeVar("Element", bound=Hashable)
Key = TypeVar("Key", bound=Hashable)


class Growing(AbstractSet[Element]):
    """A set to which `grown` adds."""

    __slots__ = ("_layers",)

    def __init__(self, elements: Iterable[Element] = ()) -> None:
        found = frozenset(elements)
        self._layers: tuple[frozenset[Element], ...] = (found,) if found else ()

    @classmethod
    def of(cls, elements: AbstractSet[Element]) -> "Growing[Element]":
        """These; the same where they are such a set already."""
        return elements if isinstance(elements, Growing) else cls(elements)

    def grown(self, elements: Iterable[Element]) -> "Growing[Element]":
        """With these; itself where it has them all."""
        last = frozenset(one for one in elements if one not in self)
        if not last:
            return self
        layers = list(self._layers)
        while layers and len(layers[-1]) <= 2 * len(last):
            last |= layers.pop()
        made: Growing[Element] = Growing()
        made._layers = (*layers, last)
        return made

    def __contains__(self, element: object) -> bool:
        return any(element in layer for layer in self._layers)

    def __iter__(self) -> Iterator[Element]:
        return chain.from_iterable(self._layers)

    def __len__(self) -> int:
        return sum(map(len, self._layers))

    def __repr__(self) -> str:
        return f"Growing({len(self)} elements)"


class Index(Generic[Key, Element]):
    """Several elements to each key."""

    __slots__ = ("_layers",)

    def __init__(self, pairs: Iterable[tuple[Key, Element]] = ()) -> None:
        found: dict[Key, set[Element]] = defaultdict(set)
        for key, element in pairs:
            found[key].add(element)
        self._layers: tuple[dict[Key, frozenset[Element]], ...] = (
            ({key: frozenset(elements) for key, elements in found.items()},) if found else ()
        )

    def grown(self, key: Key, element: Element) -> "Index[Key, Element]":
        """With one more."""
        last = {key: frozenset((element,))}
        layers = list(self._layers)
        while layers and len(layers[-1]) <= 2 * len(last):
            below = layers.pop()
            last = {**below, **{key: below.get(key, frozenset()) | found for key, found in last.items()}}
        made: Index[Key, Element] = Index()
        made._layers = (*layers, last)
        return made

    def of(self, key: Key) -> frozenset[Element]:
        """The elements of a key."""
        return frozenset().union(*(layer.get(key, frozenset()) for layer in self._layers))
