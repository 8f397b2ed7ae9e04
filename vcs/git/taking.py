"""Taking over: what a quarantine holds becomes objects of the project, ready to land.

Small pushes travel with their landing; larger ones are staged in segments on the way, with flat
memory. Names are looked at before anything is staged or landed: no new entry may be called what git
or a file system would take for something else. Names that the trunk has already at the same place
may stay, since history cannot be changed by who comes after.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from vcs.errors import InvalidPath, MicelioError
from vcs.git.ingest import Ingest, Ledger, Staged
from vcs.git.receive import FEW, SMALL, Quarantine
from vcs.git.scanning import PackRefused
from vcs.git.source import KINDS, Listed, MissingFromSource
from vcs.git.translate import from_git
from vcs.log import segment_key
from vcs.objects import EMPTY_TREE, Kind, Object, check_name, tree_rows
from vcs.paths import quote
from vcs.reading import EMPTY_TREE_SHA1
from vcs.repository import Repository
from vcs.segments import frames_of, name_hash, read_object

__all__ = ["Names", "Received", "give_up", "take"]

_LARGEST = 5 << 30
_MOST = 1 << 40
_ROW = re.compile(rb"[0-7]+ ([^\0]*)\0.{20}", re.DOTALL)
_ENTRY = re.compile(rb"([0-7]+) ([^\0]*)\0(.{20})", re.DOTALL)
_NAMED = re.compile(rb"^(?:tree|parent|object) ([0-9a-f]{40})$", re.MULTILINE)


@dataclass(slots=True)
class Received:
    """New objects, in hand or staged. `ids` are those of the tips."""

    ids: dict[bytes, str]
    objects: list[Object] = field(default_factory=list)
    hints: dict[str, int] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    size: int = 0


class Names:
    """Judges what entries of new trees are called. `kept` says that an old bad name was let through."""

    def __init__(self, repository: Repository, trunk: str) -> None:
        self._repository = repository
        self._trunk = trunk
        self.kept = False

    def check(self, names: Sequence[bytes], path: bytes) -> None:
        """InvalidPath when a folder may not hold these names."""
        for name in names:
            try:
                check_name(name)
            except InvalidPath as error:
                if name in self._before(path):
                    self.kept = True
                    continue
                shown = quote(path + b"/" + name if path else name)
                raise InvalidPath(path=shown, problem=error.details["problem"]) from None
        folded = [_folded(name) for name in names]
        if len(set(folded)) < len(names):
            self._collision(names, folded, path)

    def _collision(self, names: Sequence[bytes], folded: Sequence[str], path: bytes) -> None:
        first: dict[str, bytes] = {}
        for name, fold in zip(names, folded, strict=True):
            other = first.setdefault(fold, name)
            if other != name and not {name, other} <= self._before(path):
                shown = quote(path + b"/" + name if path else name)
                problem = f"on many machines it is the same file as {quote(other)}"
                raise InvalidPath(path=shown, problem=problem)

    def _before(self, path: bytes) -> set[bytes]:
        """What the trunk has in this folder."""
        tree = self._trunk
        if path:
            entry = self._repository.entry(tree, path) if tree != EMPTY_TREE else None
            if entry is None or not entry.is_tree:
                return set()
            tree = entry.id
        return {entry.name for entry in self._repository.tree(tree)}


def _folded(name: bytes) -> str:
    if name.isascii():
        return name.decode("ascii").lower()
    return unicodedata.normalize("NFC", name.decode("utf-8", "surrogateescape")).casefold()


def take(
    held: Quarantine,
    repository: Repository,
    tips: Sequence[bytes],
    without: Sequence[bytes],
    names: Names,
    *,
    still_wanted: Callable[[], None] = lambda: None,
) -> Received:
    """All that the tips reach and the project lacks. SourceRefused and MissingFromSource when it is not
    whole, InvalidPath for a name.
    """
    reached = _reached(held, repository, tips)
    if reached is not None:
        rows, known = reached
        size = 0
    else:
        listing = held.source.objects(tips, without)
        rows, known, size = [], {}, 0
        for row in islice(listing, FEW + 1):
            rows.append(row)
            size += row.size
            if size > SMALL:
                break
        listing.close()
    if size > SMALL or len(rows) > FEW:
        received = _staged(held, repository, tips, without, names, still_wanted)
    else:
        received = _in_hand(held, repository, rows, names, known)
    for tip in tips:
        if tip not in received.ids:
            id = EMPTY_TREE if tip == EMPTY_TREE_SHA1 else repository.index.id_of(tip)
            if id is None:
                raise MissingFromSource(sha1=tip.hex())
            received.ids[tip] = id
    return received


def _reached(
    held: Quarantine, repository: Repository, tips: Sequence[bytes]
) -> tuple[list[Listed], Mapping[bytes, str]] | None:
    """What the tips reach of what is new, with paths, from what is in hand alone, and the ids of what that
    names and the project has; None when git has to be asked: for a long push, or one that names what
    neither it nor the project's index has.
    """
    brought = held.new
    if brought is None:
        return None
    rows: dict[bytes, Listed] = {}
    outside: set[bytes] = set()
    pending = [(tip, b"") for tip in tips]
    while pending:
        sha1, path = pending.pop()
        if sha1 in rows:
            continue
        if sha1 not in brought:
            outside.add(sha1)
            continue
        word, content = brought[sha1]
        rows[sha1] = Listed(sha1, KINDS[word], len(content), path)
        links = _links(word, content, path)
        if links is None:
            return None
        pending += links
    known = repository.index.ids_of(list(outside - {EMPTY_TREE_SHA1}))
    if outside - known.keys() - {EMPTY_TREE_SHA1}:
        return None
    return list(rows.values()), known


def _links(word: bytes, content: bytes, path: bytes) -> list[tuple[bytes, bytes]] | None:
    """What an object leads to, with the paths; None for one that is not written as git writes it."""
    if word == b"blob":
        return []
    if word == b"tree":
        found = list(_ENTRY.finditer(content))
        if sum(len(row[0]) for row in found) != len(content):
            return None
        folder = path + b"/" if path else b""
        return [(row[3], folder + row[2]) for row in reversed(found) if not row[1].endswith(b"160000")]
    named = [bytes.fromhex(each.decode()) for each in _NAMED.findall(content.partition(b"\n\n")[0])]
    return [(sha1, b"") for sha1 in named]


def _in_hand(
    held: Quarantine,
    repository: Repository,
    rows: Sequence[Listed],
    names: Names,
    known: Mapping[bytes, str],
) -> Received:
    ids = {**known, **repository.index.ids_of([row.sha1 for row in rows]), EMPTY_TREE_SHA1: EMPTY_TREE}
    new = [row for row in rows if row.sha1 not in ids]
    contents = held.contents([row.sha1 for row in new])
    received = Received(ids)
    received.size = sum(row.size for row in new)
    paths = {row.sha1: row.path for row in new}

    def id_of(sha1: bytes) -> str:
        if sha1 not in ids:
            if sha1 in contents:
                raise _NotYet(sha1)
            found = repository.index.id_of(sha1)
            if found is None:
                raise MissingFromSource(sha1=sha1.hex())
            ids[sha1] = found
        return ids[sha1]

    for row in reversed(new):
        pending = [row.sha1]
        while pending:
            sha1 = pending[-1]
            try:
                if sha1 not in ids:
                    word, content = contents[sha1]
                    object = from_git(word, content, id_of)
                    _judge(word, content, object, names, paths[sha1])
                    received.objects.append(object)
                    received.hints[object.id] = name_hash(paths[sha1])
                    ids[sha1] = object.id
            except _NotYet as needed:
                pending.append(needed.sha1)
                continue
            pending.pop()
    return received


class _NotYet(Exception):
    def __init__(self, sha1: bytes) -> None:
        self.sha1 = sha1


def _judge(word: bytes, content: bytes, object: Object, names: Names, path: bytes) -> None:
    if word != b"tree":
        return
    names.check(_ROW.findall(content), path)
    if object.kind is Kind.RAW:
        raise InvalidPath(path=quote(path) or "/", problem="its folder is written in a way that git has not")


def _staged(
    held: Quarantine,
    repository: Repository,
    tips: Sequence[bytes],
    without: Sequence[bytes],
    names: Names,
    still_wanted: Callable[[], None],
) -> Received:
    keys: list[str] = []

    def finished(staged: Staged) -> None:
        repository.staged.keep(staged.ref)
        keys.append(staged.ref.key)

    try:
        with closing(Ledger(held.folder / "ledger.db")) as ledger:
            ingest = Ingest(
                held.source,
                ledger,
                put=repository.store.put,
                new_key=partial(segment_key, repository.pool, repository.project),
                finished=finished,
                live=repository.index.ids_of,
                still_wanted=still_wanted,
            )
            ledger.fill(held.source, tips, without, repository.index.ids_of)
            _refuse_giants(ledger)
            ingest.run(tips, without)
            _, size = ledger.sizes()
            _judge_staged(repository, keys, ledger, names)
            ids = {sha1: id.hex() for sha1, id in ledger.ids_of(tips).items()}
    except MicelioError:
        give_up(repository, keys)
        raise
    return Received(ids, keys=keys, size=size)


def give_up(repository: Repository, keys: Iterable[str]) -> None:
    """Delete what was staged for a push that is refused; what cannot be deleted now the collector takes."""
    for key in keys:
        with suppress(MicelioError):
            repository.store.delete(key)


def _refuse_giants(ledger: Ledger) -> None:
    query = "select max(size), sum(size), max(case when kind = ? then 0 else size end) from listed"
    longest, all, other = ledger.db.execute(query, (Kind.BLOB,)).fetchone()
    if (longest or 0) > _LARGEST or (all or 0) > _MOST:
        raise PackRefused(problem="The push unpacks to more than is allowed: files may have 5 GiB at most.")
    if (other or 0) > 1 << 30:
        raise PackRefused(problem="The push holds a folder, commit or tag of more than a gigabyte.")


def _judge_staged(repository: Repository, keys: Sequence[str], ledger: Ledger, names: Names) -> None:
    """The names of what was staged; where a bad one stands is looked up only then."""
    for key in keys:
        _, footer = repository.staged.get(key)
        plain_of = frames_of(partial(repository.store.get, key), footer, key)
        trees = [entry for entry in footer.entries if entry.kind is Kind.TREE]
        for entry in sorted(trees, key=lambda entry: (entry.frame, entry.offset)):
            found = [name for _, name, _ in tree_rows(read_object(plain_of, entry))]
            try:
                Names(repository, EMPTY_TREE).check(found, b"")
            except InvalidPath:
                query = "select path from listed where sha1 = ?"
                (path,) = ledger.db.execute(query, (entry.sha1,)).fetchone()
                names.check(found, path)
        if any(row[2] == Kind.RAW for row in footer.entries.rows()):
            raise PackRefused(
                problem="The push holds objects that are not written as git writes them. "
                "History like that can be imported: mic import git."
            )
