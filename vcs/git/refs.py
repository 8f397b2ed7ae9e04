"""Refs of a bare repository, as git keeps them: a few loose files over one packed list.

Only whoever holds the projection's lock writes refs, and it moves them after their objects are in
place; so a lock file of git's that is there was left by somebody who was killed. A handful of moves
is written here, without a child; whatever is more than that, or deletes, or turns a name into a
folder, is git's own affair.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from vcs.git.process import GitFailed, run_git

__all__ = [
    "clear_locks",
    "is_ref_name",
    "merge_packed",
    "pack_refs",
    "point_head",
    "update_refs",
    "write_packed",
]

_FEW = 32
_REFUSED = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)|[/.]\Z")


def is_ref_name(name: str) -> bool:
    """Whether git would take this for a ref's whole name (git-check-ref-format)."""
    return name.startswith("refs/") and name.count("/") >= 1 and not _REFUSED.search(name)


def point_head(repository: Path, trunk: str) -> None:
    """Make HEAD stand for a branch, born or not."""
    _replace(repository / "HEAD", f"ref: {trunk}\n".encode())


def update_refs(repository: Path, changes: Mapping[str, bytes | None]) -> None:
    """Move, create and delete (None) refs; names that git cannot have are left out."""
    moved = {name: sha1 for name, sha1 in changes.items() if sha1 is not None and is_ref_name(name)}
    deleted = [name for name, sha1 in changes.items() if sha1 is None and is_ref_name(name)]
    # Deleted first and apart: `a` may go to make room for `a/b`.
    if deleted:
        _by_git(repository, {name: None for name in deleted})
    if len(moved) > _FEW:
        _by_git(repository, moved)
        return
    left: dict[str, bytes | None] = {}
    for name, sha1 in moved.items():
        path = repository / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, sha1.hex().encode() + b"\n")
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            left[name] = sha1
    if left:
        _by_git(repository, left)


def _by_git(repository: Path, changes: Mapping[str, bytes | None]) -> None:
    lines = [
        b"update %s\0%s\0\0" % (_bytes(name), sha1.hex().encode())
        if sha1 is not None
        else b"delete %s\0\0" % _bytes(name)
        for name, sha1 in changes.items()
    ]
    command, told = ("update-ref", "--stdin", "-z"), b"".join(lines)
    try:
        run_git(repository, *command, input=told)
    except GitFailed:
        clear_locks(repository)
        run_git(repository, *command, input=told)


def clear_locks(repository: Path) -> None:
    """Remove lock files of refs, which nobody holds any more."""
    for lock in (*repository.glob("*.lock"), *(repository / "refs").rglob("*.lock")):
        lock.unlink(missing_ok=True)


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def write_packed(repository: Path, refs: Mapping[str, bytes]) -> None:
    """Write all refs of a repository that has none yet; names that git cannot have are left out."""
    _write_packed(
        repository, {_bytes(name): sha1.hex().encode() for name, sha1 in refs.items() if is_ref_name(name)}
    )


def merge_packed(repository: Path, changes: Mapping[str, bytes | None]) -> None:
    """The same as `update_refs`, in one go through the whole list: for thousands of changes."""
    pack_refs(repository)
    refs: dict[bytes, bytes] = {}
    for line in (repository / "packed-refs").read_bytes().splitlines():
        if not line.startswith((b"#", b"^")):
            sha1, _, name = line.partition(b" ")
            refs[name] = sha1
    for ref, moved in changes.items():
        if moved is None:
            refs.pop(_bytes(ref), None)
        elif is_ref_name(ref):
            refs[_bytes(ref)] = moved.hex().encode()
    _write_packed(repository, refs)


def _write_packed(repository: Path, refs: Mapping[bytes, bytes]) -> None:
    lines = [b"%s %s\n" % (refs[name], name) for name in sorted(refs)]
    # Without `peeled` in the first line git looks itself at what a tag points at.
    _replace(repository / "packed-refs", b"# pack-refs with: sorted \n" + b"".join(lines))


def pack_refs(repository: Path) -> None:
    """Put loose refs into the packed list."""
    clear_locks(repository)
    run_git(repository, "pack-refs", "--all", "--prune")


def _replace(path: Path, content: bytes) -> None:
    lock = path.with_name(path.name + ".lock")
    lock.write_bytes(content)
    try:
        os.replace(lock, path)
    except OSError:
        lock.unlink(missing_ok=True)
        raise
