"""Judging a projection: what git and the log say of a repository on this node, side by side.

Only what is there is judged: a node that never showed a project has no repository of it. What is
broken is named before anything else happens, since catching up would mend a part of it silently.
"""

from collections.abc import Iterator

from vcs.errors import Kind, MicelioError
from vcs.git.process import GitFailed, run_git
from vcs.git.projection import GitProjection
from vcs.git.refs import is_ref_name
from vcs.reading import EMPTY_TREE_SHA1

__all__ = ["git_faults", "objects_of", "refs_of"]

_TRIES = 4
_TOLD = 5


class NeverStill(MicelioError):
    """Landings came faster than the repository could be looked at."""

    kind = Kind.UNAVAILABLE
    code = "git.never_still"
    message = "Landings kept moving its refs. Run it again when less lands."


def git_faults(shown: GitProjection) -> Iterator[str]:
    """Every difference between the repository on this node and the log."""
    if shown.noted("sequence") is None:
        return
    lacking = shown.lacking()
    if lacking:
        yield f"its git repository on this node lacks {_some(lacking)}"
        return
    yield from _moved(shown)
    try:
        asked = ("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
        run_git(shown.path, *asked, GIT_NO_REPLACE_OBJECTS="1")
        foreign = _foreign(shown)
    except GitFailed as failed:
        yield f"its git repository on this node is damaged: {failed.sentence.rstrip('.')}"
        return
    if foreign:
        yield f"its git repository on this node holds what the log does not: {_some(foreign)}"


def refs_of(shown: GitProjection) -> dict[str, str]:
    """What git says each ref is."""
    printed = run_git(shown.path, "for-each-ref", "--format=%(objectname) %(refname)").stdout
    lines = printed.decode("utf-8", "surrogateescape").splitlines()
    return {name: sha1 for sha1, name in (line.split(" ", 1) for line in lines)}


def objects_of(shown: GitProjection) -> set[bytes]:
    """The SHA-1 of every object that git has, reached or not."""
    asked = ("cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname)")
    return {bytes.fromhex(line) for line in run_git(shown.path, *asked).stdout.decode().split()}


def _moved(shown: GitProjection) -> Iterator[str]:
    """Refs that are not where the log has them."""
    for _ in range(_TRIES):
        shown.repository.catch_up()
        head = shown.catch_up()
        with shown.alone():
            there, wanted = refs_of(shown), _wanted(shown)
            still = shown.noted("sequence") == head.sequence == shown.repository.remembered()[0].sequence
        if still:
            break
    else:
        raise NeverStill
    wrong = sorted(name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name))
    if wrong:
        yield f"its git repository on this node and the log differ in {_some(wrong)}"


def _wanted(shown: GitProjection) -> dict[str, str]:
    repository = shown.repository
    refs = {name: repository.sha1_of(id).hex() for name, id in repository.refs().items() if is_ref_name(name)}
    return refs | {f"refs/landings/{at}": sha1.hex() for at, sha1 in repository.index.positions(0)}


def _foreign(shown: GitProjection) -> list[str]:
    there = sorted(objects_of(shown) - {EMPTY_TREE_SHA1})
    # Objects come before their record is shown, never before the index has them.
    shown.repository.catch_up()
    known = shown.repository.index.ids_of(there)
    return [sha1.hex() for sha1 in there if sha1 not in known]


def _some(names: list[str]) -> str:
    more = len(names) - _TOLD
    return ", ".join(names[:_TOLD]) + (f" and {more} more" if more > 0 else "")
