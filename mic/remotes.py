"""Remotes: other places that a project's history is fetched from and pushed to.

`remote.NAME.url` in `.mic/config` says where each is. What is fetched and pushed is in a bare repository
of git's own, `.mic/git`: what the forge has below `refs/heads`, `refs/tags` and `refs/notes`, what remotes
have below `refs/remotes/NAME` and `refs/remote-tags/NAME`. All of it can be fetched again, so losing it
loses nothing. git runs as the person does, with their keys and credential helpers, and never asks: whoever
waits for an answer may be no human.

`origin` is the forge, and what every other command stands on: it can be fetched, and nothing else.
A kind of remote that is no git repository would come in where `address` looks at a URL.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mic import config
from mic.errors import (
    NoSuchRemote,
    NothingToPush,
    RemoteFailed,
    RemoteLocked,
    RemoteMissing,
    RemoteMoved,
    Usage,
)
from mic.workspace import Workspace
from vcs.git.process import GitMissing, git_command, run_git

ORIGIN = "origin"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_SCHEMES = ("http", "https", "git", "ssh", "file")
_BY_SSH = re.compile(r"(?:[\w.-]+@)?[\w.-]+:(?!:)[^\s]+")
_FORGE = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "+refs/notes/*:refs/notes/*")
_REFSPEC = re.compile(r"\+?[^\s:+-][^\s:]*(?::[^\s:]+)?|:[^\s:]+")
_LOCKED = ("authentication failed", "could not read username", "could not read password", "permission denied",
           "returned error: 401", "returned error: 403", "terminal prompts disabled")  # fmt: skip
_MISSING = ("not found", "does not appear to be a git repository", "does not exist", "returned error: 404")
_UNCHANGED, _REJECTED = "=", "!"


@dataclass(frozen=True)
class Moved:
    """One ref of a push or fetch: `old` is None for a new one, `new` is None for one that is gone."""

    ref: str
    old: str | None
    new: str | None


def named(name: str) -> str:
    """A name for a remote; Usage when it cannot be one."""
    if _NAME.fullmatch(name) is None:
        raise Usage(
            problem=f"{name!r} cannot name a remote. Names are letters, digits, - and _, like github."
        )
    return name


def address(url: str, folder: str = "/") -> str:
    """The address of a git repository, `./…` and `../…` as seen from a folder; Usage when it is none, or
    holds a password.
    """
    if url.startswith(("./", "../")):
        url = os.path.normpath(os.path.join(folder, url))
    scheme, mark, _ = url.partition("://")
    plain = url.isprintable() and not url.startswith("-") and " " not in url
    by_scheme = mark and scheme in _SCHEMES
    if not plain or not (by_scheme or (not mark and (url.startswith("/") or _BY_SSH.fullmatch(url)))):
        raise Usage(
            problem=f"{url!r} is not the address of a git repository. It looks like "
            "https://github.com/org/project.git, git@host:org/project.git or /a/folder.git"
        )
    if mark and urlsplit(url).password is not None:
        raise Usage(
            problem="That address holds a password, which would be stored readable. Leave it out: git's "
            "credential helper is asked for it."
        )
    return url


def all_of(workspace: Workspace) -> dict[str, str]:
    """The address of each remote by its name, origin first."""
    table = config.get(workspace.settings, "remote") or {}
    urls = {
        name: str(each["url"]) for name, each in table.items() if isinstance(each, dict) and "url" in each
    }
    return dict(sorted(urls.items(), key=lambda item: (item[0] != ORIGIN, item[0])))


def url_of(workspace: Workspace, name: str) -> str:
    """Where a remote is; NoSuchRemote."""
    found = all_of(workspace).get(name)
    if found is None:
        raise NoSuchRemote(name=name)
    return found


def refs_of(workspace: Workspace, name: str) -> dict[str, str]:
    """What was last fetched from a remote: SHA-1 by the name that the ref has there."""
    folder = Path(workspace.path("git"))
    if not (folder / "HEAD").is_file():
        return {}
    heads, tags = _kept_at(name)
    listed = _refs(folder, heads, tags)
    return {ref.replace(heads, "refs/heads/").replace(tags, "refs/tags/"): at for ref, at in listed.items()}


def forget(workspace: Workspace, name: str) -> None:
    """Drop what was fetched from a remote; the next fetch brings it again."""
    folder = Path(workspace.path("git"))
    if (folder / "HEAD").is_file():
        drop = "".join(f"delete {ref}\n" for ref in _refs(folder, *_kept_at(name)))
        run_git(folder, "update-ref", "--stdin", input=drop.encode("utf-8", "surrogateescape"))


def fetch(workspace: Workspace, name: str, helper: str) -> list[Moved]:
    """Bring what a remote has, and say what moved. RemoteFailed, RemoteLocked, RemoteMissing."""
    folder = _repository(workspace)
    url = url_of(workspace, name)
    kept: tuple[str, ...]
    specs: tuple[str, ...]
    if name == ORIGIN:
        kept, specs, chosen = ("refs/heads/", "refs/tags/", "refs/notes/"), _FORGE, _with_helper(helper)
    else:
        kept, chosen = _kept_at(name), []
        specs = (f"+refs/heads/*:{kept[0]}*", f"+refs/tags/*:{kept[1]}*")
    before = _refs(folder, *kept)
    options = ["fetch", "-q", "--prune", "--no-tags", "--no-write-fetch-head", "--no-auto-gc"]
    done = _run(folder, [*chosen, *options, "--", url, *specs])
    if done.returncode:
        raise _refusal(name, done.stderr)
    if name == ORIGIN:
        told = _run(folder, [*chosen, "ls-remote", "--symref", "--", url, "HEAD"]).stdout
        if head := re.match(rb"ref: (refs/heads/\S+)\tHEAD", told):
            run_git(folder, "symbolic-ref", "HEAD", os.fsdecode(head[1]))
    after = _refs(folder, *kept)
    changed = sorted(ref for ref in before.keys() | after.keys() if before.get(ref) != after.get(ref))
    return [Moved(ref, before.get(ref), after.get(ref)) for ref in changed]


def trunk(workspace: Workspace) -> str:
    """The default branch of the forge, as last fetched; NothingToPush when nothing landed on it."""
    folder = _repository(workspace)
    ref = run_git(folder, "symbolic-ref", "HEAD").stdout.decode().strip()
    if ref not in _refs(folder, ref):
        raise NothingToPush
    return ref


def push(workspace: Workspace, name: str, refspecs: Sequence[str]) -> list[Moved]:
    """Push what the forge has to a remote, as it was last fetched, and say what moved there.

    RemoteMoved when it has commits that the forge has not.
    """
    for refspec in refspecs:
        if _REFSPEC.fullmatch(refspec) is None:
            raise Usage(problem=f"{refspec!r} is no refspec. It looks like main, main:backup or :gone")
    done = _run(_repository(workspace), ["push", "--porcelain", "--", url_of(workspace, name), *refspecs])
    told = [line.split("\t") for line in done.stdout.decode("utf-8", "replace").splitlines()]
    refs = [parts for parts in told if len(parts) == 3]
    refused = [(parts[1].partition(":")[2], parts[2]) for parts in refs if parts[0] == _REJECTED]
    if refused:
        raise RemoteMoved(
            name=name,
            problem="; ".join(f"{ref.removeprefix('refs/heads/')} {why}" for ref, why in refused),
            refs=[{"ref": ref, "reason": why} for ref, why in refused],
        )
    if done.returncode:
        raise _refusal(name, done.stderr)
    return [_moved(*parts) for parts in refs if parts[0] != _UNCHANGED]


def _moved(_: str, refs: str, summary: str) -> Moved:
    """A line of `git push --porcelain`: `abc..def`, `abc...def (forced update)`, `[deleted]`."""
    ref = refs.partition(":")[2]
    ends = re.match(r"([0-9a-f]+)\.{2,3}([0-9a-f]+)", summary)
    if ends:
        return Moved(ref, ends[1], ends[2])
    return Moved(ref, "", None) if summary == "[deleted]" else Moved(ref, None, "")


def _kept_at(name: str) -> tuple[str, str]:
    return f"refs/remotes/{name}/", f"refs/remote-tags/{name}/"


def _repository(workspace: Workspace) -> Path:
    folder = Path(workspace.path("git"))
    if not (folder / "HEAD").is_file():
        run_git(folder, "init", "-q", "--bare", "-b", "main")
    return folder


def _refs(folder: Path, *below: str) -> dict[str, str]:
    printed = run_git(folder, "for-each-ref", "--format=%(objectname) %(refname)", *below).stdout
    lines = printed.decode("utf-8", "surrogateescape").splitlines()
    return {ref: at for at, _, ref in (line.partition(" ") for line in lines)}


def _with_helper(helper: str) -> list[str]:
    """The forge's token comes from where `mic auth login` keeps it, whatever git is set up to ask."""
    return ["-c", "credential.helper=", "-c", f"credential.helper={helper}"]


def _run(folder: Path, arguments: Sequence[str]) -> "subprocess.CompletedProcess[bytes]":
    command = git_command(folder, *arguments, config={"protocol.ext.allow": "never"})
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=config.environment_of_git(),
            check=False,
        )
    except FileNotFoundError as error:
        raise GitMissing from error


def _refusal(name: str, stderr: bytes) -> RemoteFailed:
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "")
    problem = re.sub(r"^(fatal|error): ", "", said or "git said nothing").rstrip(".")
    everything = " ".join(lines).lower()
    if any(word in everything for word in _LOCKED):
        return RemoteLocked(name=name, problem=problem)
    if any(word in everything for word in _MISSING):
        return RemoteMissing(name=name, problem=problem)
    return RemoteFailed(name=name, problem=problem)
