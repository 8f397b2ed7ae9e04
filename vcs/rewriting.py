"""Rewriting: what history becomes when some blobs, or whatever stood at some paths, were never in it.

Every live commit is looked at, whether a ref reaches it or not. An erased blob is replaced
by a notice wherever it stood; a removed path is gone, with folders that it leaves empty.
What names something that changed changes too, so all commits from the first that is hit on
have new ids. Commits keep their number, order, authors, times and messages; a signature over
the old bytes would be a lie and is left out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from vcs.errors import Kind as ErrorKind
from vcs.errors import MicelioError
from vcs.git.translate import git_sha1, ids_in, raw_ids, with_ids
from vcs.objects import EMPTY_TREE, Entry, Kind, Object, encode_commit, parse_commit
from vcs.reading import EMPTY_TREE_SHA1
from vcs.repository import Repository
from vcs.segments import name_hash

__all__ = ["CannotRewrite", "Rewriting", "Written"]

Written = tuple[Object, bytes, int]
_Paths = Mapping[bytes, "_Paths | None"]

_SIGNATURES = (b"gpgsig", b"gpgsig-sha256")


class CannotRewrite(MicelioError):
    """An object that git wrote oddly names what is to be erased."""

    kind = ErrorKind.CONFLICT
    code = "purge.cannot_rewrite"
    message = (
        "The object {id} was imported with bytes that cannot be rewritten, and it names what is to be erased."
    )


class Rewriting:
    """One project's history without these blobs and paths. `write` gets the new objects, each after
    those it names. After `run`, `becomes` says what commits and tags became and `erased` what is gone.
    """

    def __init__(
        self,
        repository: Repository,
        blobs: Iterable[str],
        paths: Iterable[bytes],
        notice: Object,
        write: Callable[[Written], None],
    ) -> None:
        self.repository = repository
        self.blobs = frozenset(id for id in blobs if repository.index.kind_of(id) is not None)
        self.becomes: dict[str, str] = {}
        self.erased: frozenset[str] = frozenset()
        self._paths = _as_tree(paths)
        self._notice = notice
        self._write = write
        self._trees: dict[tuple[str, bytes | None], str] = {}
        self._changed: set[str] = set()
        self._commits: dict[str, str] = {}
        self._named: dict[str, Sequence[str]] = {}
        self._sha1s: dict[str, bytes] = {EMPTY_TREE: EMPTY_TREE_SHA1}
        self._removed: set[str] = set()
        self._noticed = False

    def run(self) -> None:
        """Rewrite everything that is live."""
        index = self.repository.index
        for id in index.ids_of_kind(Kind.COMMIT):
            self._commit(id)
        for id in index.ids_of_kind(Kind.TAG):
            self.any(id)
        for id in index.ids_of_kind(Kind.RAW):
            named = [index.id_of(sha1) for sha1 in raw_ids(self.repository.read(id, Kind.RAW))]
            if any(each is not None and self.any(each) != each for each in named):
                raise CannotRewrite(id=id)
        for id in self.repository.index.refs().values():
            self.any(id)
        gone = self.blobs | self._removed | self._changed
        self.erased = frozenset(gone - self._still_named() if self._paths else gone)

    def any(self, id: str) -> str:
        """What an object of any kind becomes."""
        if id in self.becomes:
            return self.becomes[id]
        kind = self.repository.index.kind_of(id)
        if id in self.blobs:
            return self._note()
        if kind is Kind.COMMIT:
            return self._commit(id)
        if kind is Kind.TREE:
            return self._tree(id, self._paths or None, b"")
        if kind is Kind.TAG:
            return self._replaced(Kind.TAG, id, self.repository.read(id, Kind.TAG))
        return id

    def _commit(self, first: str) -> str:
        """What a commit becomes, its ancestors before it."""
        pending = [first]
        while pending:
            id = pending[-1]
            if id in self._commits:
                pending.pop()
                continue
            content = self.repository.read(id, Kind.COMMIT)
            commit = parse_commit(content)
            index = self.repository.index
            unknown = [each for each in commit.parents if each not in self._commits]
            ahead = [each for each in unknown if index.kind_of(each) is Kind.COMMIT]
            if ahead:
                pending += ahead
                continue
            pending.pop()
            tree = self._tree(commit.tree, self._paths or None, b"")
            after = {commit.tree: tree, **{each: self._commits.get(each, each) for each in commit.parents}}
            if all(old == new for old, new in after.items()):
                self._commits[id] = id
                continue
            headers = tuple(each for each in commit.headers if each[0] not in _SIGNATURES)
            if headers != commit.headers:
                content = encode_commit(replace(commit, headers=headers))
            made = Object.of(Kind.COMMIT, with_ids(Kind.COMMIT, content, after.__getitem__))
            self._commits[id] = self._keep(id, self._made(made, 0))
        return self._commits[first]

    def _tree(self, id: str, paths: "_Paths | None", here: bytes) -> str:
        """What a folder becomes at a place with these paths to remove below it; EMPTY_TREE for nothing."""
        if id == EMPTY_TREE or (paths is None and not self.blobs):
            return id
        key = (id, here if paths is not None else None)
        known = self._trees.get(key)
        if known is None:
            known = self._trees[key] = self._rewritten(id, paths, here)
        return known

    def _rewritten(self, id: str, paths: "_Paths | None", here: bytes) -> str:
        kind = self.repository.index.kind_of(id)
        if kind is not Kind.TREE:
            if kind is Kind.RAW and paths is not None:
                raise CannotRewrite(id=id)
            return id
        entries = self.repository.tree(id)
        kept: list[Entry] = []
        for entry in entries:
            below = paths.get(entry.name) if paths is not None else None
            if paths is not None and entry.name in paths and below is None:
                self._remove(entry)
                continue
            after = self._entry(entry, below, here + b"/" + entry.name if here else entry.name)
            if after is not None:
                kept.append(after)
        if kept == list(entries):
            return id
        if not kept:
            self._changed.add(id)
            return EMPTY_TREE
        # In the order they had: old histories hold trees that we would sort otherwise.
        content = b"".join(b"%s %s\0%s" % (each.mode, each.name, bytes.fromhex(each.id)) for each in kept)
        self._changed.add(id)
        return self._made(Object.of(Kind.TREE, content), name_hash(here))

    def _entry(self, entry: Entry, below: "_Paths | None", path: bytes) -> Entry | None:
        if entry.is_gitlink:
            return entry
        if entry.is_tree:
            tree = self._tree(entry.id, below, path)
            return entry._replace(id=tree) if tree != EMPTY_TREE or entry.id == EMPTY_TREE else None
        if entry.id in self.blobs:
            # No longer a link, and nothing to be run.
            return Entry(b"100644", entry.name, self._note())
        return entry

    def _remove(self, entry: Entry) -> None:
        """Note all that stood at a removed path; whether it is named elsewhere is seen at the end."""
        pending = [entry.id]
        while pending:
            id = pending.pop()
            kind = self.repository.index.kind_of(id)
            if id in self._removed or kind is None:
                continue
            self._removed.add(id)
            if kind is Kind.TREE:
                pending += [each.id for each in self.repository.tree(id) if not each.is_gitlink]

    def _replaced(self, kind: Kind, id: str, content: bytes) -> str:
        made = with_ids(kind, content, self.any)
        return id if made == content else self._keep(id, self._made(Object.of(kind, made), 0))

    def _note(self) -> str:
        if not self._noticed:
            self._noticed = True
            self._made(self._notice, 0)
        return self._notice.id

    def _keep(self, old: str, new: str) -> str:
        self.becomes[old] = new
        self._changed.add(old)
        return new

    def _made(self, made: Object, hint: int) -> str:
        if made.id not in self._sha1s:
            sha1 = git_sha1(made.kind, made.content, self._sha1_of)
            self._sha1s[made.id] = sha1
            if self._paths:
                self._named[made.id] = ids_in(made.kind, made.content)
            self._write((made, sha1, hint))
        return made.id

    def _sha1_of(self, id: str) -> bytes:
        return self._sha1s.get(id) or self.repository.sha1_of(id)

    def _still_named(self) -> set[str]:
        """All that commits, tags and refs reach as they are now."""
        index = self.repository.index
        pending = [self._commits[id] for id in self._commits]
        pending += [self.any(id) for id in (*index.ids_of_kind(Kind.TAG), *index.refs().values())]
        for id in index.ids_of_kind(Kind.RAW):
            pending += [each for sha1 in raw_ids(self.repository.read(id)) if (each := index.id_of(sha1))]
        seen: set[str] = set()
        while pending:
            id = pending.pop()
            if id in seen or id == EMPTY_TREE:
                continue
            seen.add(id)
            named = self._named.get(id)
            if named is None:
                kind = index.kind_of(id)
                walked = kind in (Kind.TREE, Kind.COMMIT, Kind.TAG)
                named = ids_in(kind, self.repository.read(id)) if kind and walked else ()
            pending += named
        return seen


def _as_tree(paths: Iterable[bytes]) -> _Paths:
    """Paths by their first name; None where one ends, whatever else is below it."""
    names: dict[bytes, list[bytes]] = {}
    ends: set[bytes] = set()
    for path in paths:
        name, slash, rest = path.partition(b"/")
        names.setdefault(name, [])
        if slash:
            names[name].append(rest)
        else:
            ends.add(name)
    return {name: None if name in ends else _as_tree(below) for name, below in names.items()}
