"""SHA-1s: inside a project git's name of an object and ours stand for each other, one to one.

What a batch brings may be hundreds of thousands of objects, so of what is new only the first
eight bytes of each SHA-1 are kept. What begins alike is looked at whole.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise

from vcs.errors import Kind as ErrorKind
from vcs.errors import MicelioError
from vcs.index import Index
from vcs.objects import Object
from vcs.segments import NO_SHA1, Footer

__all__ = ["Sha1Taken", "Sha1s", "Written"]

Written = tuple[Object, bytes, int]
"""An object with its SHA-1 and the hint of its path, as it goes into a segment."""

_AT_ONCE = 5_000


class Sha1Taken(MicelioError):
    """git would give this object the name of another one."""

    kind = ErrorKind.INVALID
    code = "object.sha1_collision"
    message = "The object {id} has the SHA-1 {sha1}, which another object here has already."


class Sha1s:
    """The SHA-1s that the landings of one batch bring, beside those of the live set."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._begun: list[array[int]] = []
        self._sources: list[tuple[Sequence[Written], Sequence[Footer]]] = []

    def check(self, written: Sequence[Written], footers: Sequence[Footer]) -> "_Coming":
        """Raise Sha1Taken when two objects would share a SHA-1; else what `take` notes of these."""
        begun = array("Q")
        pairs = _pairs(written, footers)
        while some := list(islice(pairs, _AT_ONCE)):
            live = self._index.ids_of([sha1 for _, sha1 in some])
            for id, sha1 in some:
                if live.get(sha1, id) != id:
                    raise Sha1Taken(id=id, sha1=sha1.hex())
            begun.extend([int.from_bytes(sha1[:8], "big") for _, sha1 in some])
        # Sorted, those that begin alike are neighbours; a set of so many would take several times as much.
        ordered = sorted(chain(begun, *self._begun))
        alike = {one for one, other in pairwise(ordered) if one == other}
        if alike:
            self._compare(alike, written, footers)
        return begun, written, footers

    def take(self, coming: "_Coming") -> None:
        """Note what is part of the batch from now on."""
        begun, written, footers = coming
        self._begun.append(begun)
        self._sources.append((written, footers))

    def _compare(self, alike: set[int], written: Sequence[Written], footers: Sequence[Footer]) -> None:
        taken: dict[bytes, str] = {}
        before = chain.from_iterable(_pairs(*source) for source in self._sources)
        for id, sha1 in chain(before, _pairs(written, footers)):
            if int.from_bytes(sha1[:8], "big") in alike and taken.setdefault(sha1, id) != id:
                raise Sha1Taken(id=id, sha1=sha1.hex())


_Coming = tuple["array[int]", Sequence[Written], Sequence[Footer]]


def _pairs(written: Iterable[Written], footers: Iterable[Footer]) -> Iterator[tuple[str, bytes]]:
    yield from ((object.id, sha1) for object, sha1, _ in written if sha1 != NO_SHA1)
    for footer in footers:
        yield from ((row[0].hex(), row[1]) for row in footer.entries.rows() if row[1] != NO_SHA1)
