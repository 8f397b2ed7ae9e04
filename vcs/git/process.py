"""Calling git: always the same git, whoever's machine it runs on.

Children see nothing of the caller's environment but PATH: no configuration of a person or of the
machine, no prompt, no editor, no other language. What git is to do differently stands in the
command line, where it can be read.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from vcs.errors import Kind, MicelioError

__all__ = ["GitFailed", "GitMissing", "GitRefused", "environment", "git_command", "git_version", "run_git"]

_SAFE = ("-c", "safe.directory=*", "-c", "gc.auto=0", "-c", "maintenance.auto=false")


class GitMissing(MicelioError):
    """There is no git on this machine."""

    kind = Kind.UNAVAILABLE
    code = "git.missing"
    message = "git is not installed here. Install it: apt-get install git."


class GitFailed(MicelioError):
    """git ended with an error."""

    kind = Kind.UNAVAILABLE
    code = "git.failed"
    message = "git {command} failed: {problem}"


class GitRefused(GitFailed):
    """git told the other side itself why it did not do what was asked."""

    code = "git.refused"


def environment(**more: str) -> dict[str, str]:
    """What a git child sees."""
    return {
        "PATH": os.pathsep.join(os.get_exec_path()),
        "HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
        **more,
    }


@cache
def git_version() -> str:
    """What `git --version` says here."""
    try:
        done = subprocess.run(["git", "--version"], capture_output=True, env=environment(), check=True)
    except FileNotFoundError as error:
        raise GitMissing from error
    return done.stdout.decode().strip()


def git_command(repository: Path, *arguments: str, config: Mapping[str, str] = {}) -> list[str]:
    """The command line of a git child that works on a bare repository."""
    chosen = [part for name, value in config.items() for part in ("-c", f"{name}={value}")]
    return ["git", *_SAFE, *chosen, "--git-dir", str(repository), *arguments]


def run_git(
    repository: Path,
    *arguments: str,
    input: bytes = b"",
    config: Mapping[str, str] = {},
    allow: Sequence[int] = (0,),
    timeout: float | None = None,
    **more: str,
) -> subprocess.CompletedProcess[bytes]:
    """Run git on a bare repository to its end. GitFailed unless it ends with a code in `allow`."""
    try:
        done = subprocess.run(
            git_command(repository, *arguments, config=config),
            input=input,
            capture_output=True,
            env=environment(**more),
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise GitMissing from error
    if done.returncode not in allow:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise GitFailed(command=arguments[0], problem=said[-1] if said else f"exit code {done.returncode}")
    return done
