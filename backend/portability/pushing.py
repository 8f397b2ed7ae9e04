"""Pushing: git sends what a project has to a repository elsewhere, ref by ref.

The child is as confined as one that fetches: an address that was checked, no redirect, no prompt, no
hook; credentials in its environment alone. What the other side says is kept without them.
"""

import re
import time
from collections.abc import Callable

from backend.core.context import SYSTEM, Context
from backend.core.errors import Conflict
from backend.portability import fetching, sources
from backend.portability.models import Mirror, MirrorRefs
from backend.portability.names import FAMILIES
from backend.portability.outcomes import Outcome, counted, credentials_of, staying
from backend.portability.sources import Credentials
from backend.projects import code, git
from backend.projects.models import Cursor, Project
from vcs import faults
from vcs.git.process import run_git
from vcs.git.source import last_words

SECONDS = 3600.0
"""The longest that one push may take."""
_ASK_EVERY = 2.0
_CONFIG = {"http.lowSpeedTime": "300", "core.hooksPath": "/dev/null", "push.followTags": "false"}
_LINE = re.compile(r"^([ +\-*!=])\t([^\t]*):([^\t]+)\t(.*)$", re.MULTILINE)
_REASON = re.compile(r"\((.*)\)$")
_WORDS = {
    "non-fast-forward": "has commits there that are not here",
    "fetch first": "has commits there that are not here",
    "needs force": "is another one there",
    "already exists": "is another one there",
}


class PushRefused(Conflict):
    """The other side took nothing, in git's own words."""

    code = "mirror.push_refused"
    message = "The other side did not take the push: {said}"


def push(ctx: Context, row: Mirror, project: Project) -> Outcome:
    """Bring a repository elsewhere up to date. Raises what reaching it raises, PushRefused."""
    secret = credentials_of(ctx, row)
    private = ctx.forge.settings.import_private
    reached = sources.reach(row.url, secret, private=private, service=sources.WRITE)
    with ctx.transaction(write=False) as tx:
        cursor = tx.db.get(Cursor, (project.id, "landings"))
        trunk = f"refs/heads/{code.trunk(tx, project.id)}"
    sequence = cursor.sequence if cursor else -1
    path = git.show(ctx.forge, SYSTEM, project).path
    families = FAMILIES if row.refs is MirrorRefs.ALL else (trunk,)
    if not run_git(path, "for-each-ref", "--count=1", *families).stdout:
        return Outcome(result="There is nothing to push yet.", sequence=sequence)
    force = "+" if row.overwrite else ""
    wildcard = "*" if row.refs is MirrorRefs.ALL else ""
    specs = [f"{force}{family}{wildcard}:{family}{wildcard}" for family in families]
    options = ["--porcelain", "--no-verify", "--progress"]
    options += ["--prune"] if row.prune and wildcard else []
    env = fetching.talking(reached.url.partition(":")[0], {**reached.config, **_CONFIG})
    faults.reach("mirror.pushing")
    asked = ["push", *options, "--", reached.url, *specs]
    ended = fetching.watched(path, asked, env, _while_wanted(ctx, row.id), seconds=SECONDS)
    lines = _LINE.findall(ended.out.decode("utf-8", "backslashreplace"))
    refused = [(to, _hidden(_reason(said), secret)) for flag, _, to, said in lines if flag == "!"]
    if ended.code and not refused:
        raise PushRefused(said=_hidden(last_words(ended.err), secret))
    moved = sum(flag in " +-*" for flag, *_ in lines)
    result = f"{counted(moved, 'ref')} pushed." if moved else "Nothing new."
    return Outcome(result=result, problem=staying(refused), refused=refused, sequence=sequence)


def _while_wanted(ctx: Context, id: str) -> Callable[[str, int, int], None]:
    """Ends the child when the mirror is paused or removed."""
    asked = time.monotonic()

    def look(*_: object) -> None:
        nonlocal asked
        if time.monotonic() - asked < _ASK_EVERY:
            return
        asked = time.monotonic()
        with ctx.transaction(write=False) as tx:
            row = tx.db.get(Mirror, id)
        if row is None or row.paused:
            raise Conflict(problem="The mirror was stopped.")

    return look


def _reason(said: str) -> str:
    """Why a ref was refused, in our words where git's are not clear."""
    found = _REASON.search(said)
    words = found[1] if found else said
    return _WORDS.get(words) or last_words(words.encode(), 200).rstrip(".")


def _hidden(text: str, credentials: Credentials | None) -> str:
    """A text of somebody who was given the credentials, without them."""
    if credentials is None:
        return text
    for secret in (credentials.header.removeprefix("Basic "), credentials.token):
        text = text.replace(secret, "…") if secret else text
    return text
