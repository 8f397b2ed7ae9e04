"""Pushes: commits and refs that were made elsewhere, taken into the log as they are.

What a push brings is closed before it lands: each of its objects names only what it brings as
well or what is live already, so what is live still reaches only what is live. Its objects are
looked at one after the other, in the order they are stored; in memory is a line for each.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Any

from vcs.errors import Kind as ErrorKind
from vcs.errors import MalformedObject, MicelioError
from vcs.git.translate import ids_in, raw_ids
from vcs.lists import RefChange
from vcs.log import RecordKind
from vcs.objects import EMPTY_TREE, Commit, Kind, Object, check_name, raw_id, tree_rows
from vcs.reading import EMPTY_TREE_SHA1
from vcs.segments import Row, entry_of, frames_of, read_object
from vcs.staging import StagedFile
from vcs.store import Missing, Store

__all__ = [
    "Incoming",
    "MissingObjects",
    "NotFastForward",
    "Push",
    "RefBlocked",
    "RefsMoved",
    "TrunkNameTaken",
    "WrongKind",
    "is_ancestor",
    "steps_between",
]

# So many names are looked up in the index at once.
_AT_ONCE = 5_000
_NAMING = frozenset({Kind.TREE, Kind.COMMIT, Kind.TAG, Kind.RAW})
_EMPTY_TREE = bytes.fromhex(EMPTY_TREE)
# What stands for an entry of this mode.
_USUAL = {b"40000": Kind.TREE, b"100644": Kind.BLOB, b"100755": Kind.BLOB, b"120000": Kind.BLOB}


class MissingObjects(MicelioError):
    """A landing names objects that nobody sent; `ids` are to be sent, then it may be tried again."""

    kind = ErrorKind.INVALID
    code = "objects.missing"
    message = "{count} objects that this landing needs are not here, {first} first; send them and land again."

    def __init__(self, ids: Iterable[str]) -> None:
        missing = sorted(set(ids))
        super().__init__(ids=missing, count=len(missing), first=missing[0])


class WrongKind(MicelioError):
    """A tree names an object as something that it is not."""

    kind = ErrorKind.INVALID
    code = "objects.wrong_kind"
    message = "The object {id} stands where a {expected} belongs, but it is a {found}."


class RefsMoved(MicelioError):
    """Refs are not where whoever moves them believes; `names` are theirs, and nothing was changed."""

    kind = ErrorKind.CONFLICT
    code = "refs.moved"
    message = "{shown} moved meanwhile, so nothing was changed. Fetch, and push again."

    def __init__(self, names: Iterable[str]) -> None:
        moved = sorted(set(names))
        more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
        super().__init__(names=moved, shown=", ".join(moved[:3]) + more)


class NotFastForward(MicelioError):
    """The new tip of the trunk lacks landings that the trunk has."""

    kind = ErrorKind.CONFLICT
    code = "refs.not_fast_forward"
    message = (
        "{name} has landings that this push lacks, and landings never go back. "
        "Fetch, rebase or merge, and push again."
    )


class TrunkNameTaken(MicelioError):
    """The trunk cannot have the name of a branch that exists beside it."""

    kind = ErrorKind.CONFLICT
    code = "refs.trunk_name_taken"
    message = "The default branch cannot be called {name}: a branch of this name exists. Rename one of them."


class RefBlocked(MicelioError):
    """git keeps refs like files: a name cannot be another one's folder."""

    kind = ErrorKind.CONFLICT
    code = "refs.blocked"
    message = "{name} cannot exist beside {other}: one would be a folder of the other. Choose a new name."


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Commits and refs that want to be taken as they are.

    `trunk` is where the trunk has to stand and the commit it is moved to: a descendant, unless
    `forced`. `refs` are changes of other refs. `trunk_name` is the trunk's full name from now on.
    New objects come along in `objects` or are in `staged` files, which are taken whole and may be
    any number: while there are more than one swap takes, the first ones join the live set ahead of
    the rest, and whether the landing is still wanted is asked again each time.

    `accept_names` takes names that no new entry may have, because history holds them.
    """

    landing: str
    actor: str | None
    summary: Mapping[str, Any]
    kind: RecordKind = RecordKind.PUSH
    session: str | None = None
    revision: int | None = None
    trunk: tuple[str | None, str] | None = None
    forced: bool = False
    refs: Sequence[RefChange] = ()
    trunk_name: str | None = None
    objects: Sequence[Object] = ()
    staged: Sequence[str] = ()
    hints: Mapping[str, int] = field(default_factory=dict)
    accept_names: bool = False
    again: bool = False


class Incoming:
    """The objects of one push by id, and what they name."""

    def __init__(self, store: Store, own: Iterable[Object], files: Sequence[StagedFile]) -> None:
        self._store = store
        self.own = {object.id: object for object in own}
        self.files = files
        # The number of the file, 0 for what came along, and the kind.
        self._places: dict[bytes, int] = {}
        for number in range(len(files), 0, -1):
            # One number for all objects of a kind in a file, so that each costs its id alone.
            places = [number << 3 | kind for kind in range(8)]
            self._places.update((row[0], places[row[2]]) for row in files[number - 1][1].entries.rows())
        self._places.update((bytes.fromhex(id), int(object.kind)) for id, object in self.own.items())

    def kind_of(self, id: str) -> Kind | None:
        """What an object of this push is, None when it is none of them."""
        place = self._places.get(bytes.fromhex(id))
        return None if place is None else Kind(place & 7)

    def file_of(self, id: str) -> StagedFile | None:
        """The staged file an object of this push is in."""
        number = self._places.get(bytes.fromhex(id), 0) >> 3
        return self.files[number - 1] if number else None

    def examine(self, live: "Live", *, names: bool) -> None:
        """Raise MissingObjects with what is nowhere, WrongKind, and InvalidPath (if `names` are judged)."""
        missing: set[str] = set()
        asked: dict[bytes, Kind | None] = {}
        foreign: set[bytes] = set()
        for kind, content in self._contents():
            if kind is Kind.TREE and not names and self._holds(content):
                continue
            for id, expected in _named(kind, content, names=names, foreign=foreign):
                place = self._places.get(id)
                if place is None:
                    asked[id] = expected
                elif expected is not None and place & 7 not in (expected, Kind.RAW):
                    raise _wrong_kind(id, expected, Kind(place & 7))
            if len(asked) >= _AT_ONCE:
                missing |= _look_up(asked, live)
                asked.clear()
        missing |= _look_up(asked, live)
        missing |= self._missing_sha1s(foreign, live)
        if missing:
            raise MissingObjects(missing)

    def _holds(self, tree: bytes) -> bool:
        """Whether all that a tree names comes along and is what it should be, told at one look. False says
        nothing: what is live, a submodule, or written in an odd way has to be looked at by itself.
        """
        rows = tree_rows(tree)
        place = self._places.get
        return [place(id, 0) & 7 for _, _, id in rows] == [_USUAL.get(mode) for mode, _, _ in rows]

    def _contents(self) -> Iterator[tuple[Kind, bytes]]:
        """Each object that names others, with its bytes."""
        yield from ((each.kind, each.content) for each in self.own.values() if each.kind in _NAMING)
        for ref, footer in self.files:
            plain_of = frames_of(partial(self._store.get, ref.key), footer, ref.key)
            naming = [row for row in footer.entries.rows() if row[2] in _NAMING]
            # In the order they are stored, so that each frame is decoded once.
            for row in sorted(naming, key=itemgetter(4, 5)):
                try:
                    yield Kind(row[2]), _content(plain_of, row)
                except Missing as error:
                    raise MissingObjects([row[0].hex()]) from error

    def _missing_sha1s(self, foreign: set[bytes], live: "Live") -> set[str]:
        """What raw objects name by SHA-1 and nobody has."""
        if not foreign:
            return set()
        foreign -= live.sha1s([*foreign])
        foreign.discard(EMPTY_TREE_SHA1)
        if foreign:
            foreign -= live.sha1s_of(self.own.values())
            for _, footer in self.files:
                foreign.difference_update(row[1] for row in footer.entries.rows() if row[1] in foreign)
        return {sha1.hex() for sha1 in foreign}


@dataclass(frozen=True, slots=True)
class Live:
    """What is asked of the live set: kinds by id, which SHA-1s are there, and those of new objects."""

    kinds: Callable[[Sequence[str]], Mapping[str, Kind]]
    sha1s: Callable[[Sequence[bytes]], set[bytes]]
    sha1s_of: Callable[[Iterable[Object]], set[bytes]]


def _content(plain_of: Callable[[int], bytes], row: Row) -> bytes:
    """An object's bytes, checked against its id; CorruptObject."""
    id, _, kind, _, frame, offset, length = row
    with suppress(MalformedObject, IndexError):
        content = plain_of(frame)[offset : offset + length] if length else b""
        if len(content) == length and raw_id(Kind(kind), content) == id:
            return content
    # It goes on in the next frame, or something is wrong with it.
    return read_object(plain_of, entry_of(row))


def _named(
    kind: Kind, content: bytes, *, names: bool, foreign: set[bytes]
) -> Iterator[tuple[bytes, Kind | None]]:
    """The ids an object names, each with the kind it should have; SHA-1s of a raw one go to `foreign`."""
    if kind is Kind.TREE:
        for mode, name, id in tree_rows(content):
            if names:
                check_name(name)
            folder = mode.lstrip(b"0")
            if folder != b"160000" and id != _EMPTY_TREE:
                yield id, Kind.TREE if folder == b"40000" else Kind.BLOB
    elif kind is Kind.RAW:
        foreign.update(raw_ids(content))
    else:
        expected = Kind.TREE if kind is Kind.COMMIT else None
        for text in ids_in(kind, content):
            if text != EMPTY_TREE:
                yield bytes.fromhex(text), expected
            expected = Kind.COMMIT if kind is Kind.COMMIT else None


def _look_up(asked: Mapping[bytes, Kind | None], live: Live) -> set[str]:
    kinds = live.kinds([id.hex() for id in asked])
    missing: set[str] = set()
    for id, expected in asked.items():
        found = kinds.get(id.hex())
        if found is None:
            missing.add(id.hex())
        elif expected is not None and found not in (expected, Kind.RAW):
            raise _wrong_kind(id, expected, found)
    return missing


def _wrong_kind(id: bytes, expected: Kind, found: Kind) -> WrongKind:
    return WrongKind(id=id.hex(), expected=expected.word, found=found.word)


CommitOf = Callable[[str], Commit | None]
"""What a commit says; None for one whose bytes cannot be read."""

_NEW, _OLD = 1, 2


def is_ancestor(old: str, new: str, commit_of: CommitOf) -> bool:
    """Whether `new` descends from `old`, by any parents.

    Both are followed towards their roots, newest date first, until what is left is reached from
    both (git's commit-reach.c, paint_down_to_common). Wrong dates make it slower, never wrong:
    what lies between `old` and `new` is never reached from `old`.
    """
    seen: dict[str, int] = {}
    done: dict[str, int] = {}
    queue: list[tuple[int, str]] = []
    # Reached from `new` only, as far as is known, and not followed yet.
    open_ends: set[str] = set()

    def paint(id: str, colour: int) -> None:
        if seen.get(id, 0) | colour == seen.get(id):
            return
        seen[id] = seen.get(id, 0) | colour
        commit = commit_of(id)
        heapq.heappush(queue, (-_date(commit.committer) if commit else 0, id))
        if seen[id] == _NEW:
            open_ends.add(id)
        else:
            open_ends.discard(id)

    paint(old, _OLD)
    paint(new, _NEW)
    while open_ends and not seen[old] & _NEW:
        _, id = heapq.heappop(queue)
        open_ends.discard(id)
        if done.get(id) != seen[id]:
            done[id] = seen[id]
            commit = commit_of(id)
            for parent in commit.parents if commit else ():
                paint(parent, seen[id])
    return bool(seen[old] & _NEW)


def _date(signature: bytes) -> int:
    words = signature.rsplit(b" ", 2)
    return int(words[1]) if len(words) == 3 and words[1].isdigit() else 0


def steps_between(old: str | None, new: str, commit_of: CommitOf) -> int:
    """How many positions the trunk advances from `old` to `new`: one for each commit of `new`'s chain of
    first parents after `old`, or one when `old` is not on it.
    """
    count = 0
    at: str | None = new
    while at is not None and at != old:
        count += 1
        commit = commit_of(at)
        at = commit.parents[0] if commit and commit.parents else None
    return count if at == old else 1
