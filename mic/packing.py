"""Packing: git makes bundles of repositories here, and repositories of bundles."""

from pathlib import Path

from mic.errors import NoSuchPath, Usage
from vcs.git.process import run_git

_TAKEN = ("--branches", "--tags", "--glob=refs/notes")


def bundle_of(folder: Path, bundle: Path) -> Path:
    """A bundle of a folder's branches, tags and notes. NoSuchPath when it is no repository."""
    repository = folder / ".git" if (folder / ".git").exists() else folder
    if repository.is_file():
        # A worktree or a submodule: its `.git` says where the repository is.
        repository = Path(folder, repository.read_text().partition("gitdir: ")[2].strip())
    if not (repository / "HEAD").exists():
        raise NoSuchPath(f"There is no git repository in {folder}.")
    if run_git(repository, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true":
        raise Usage(problem=f"{folder} is a shallow clone. Fetch the rest first: git fetch --unshallow")
    born = not run_git(repository, "rev-parse", "-q", "--verify", "HEAD", allow=(0, 1)).returncode
    head = ("HEAD",) if born else ()
    run_git(repository, "bundle", "create", "--quiet", str(bundle), *head, *_TAKEN)
    return bundle


def repository_of(bundle: Path | None, folder: Path, branch: str) -> None:
    """A bare repository that holds what a bundle does; `branch` is its HEAD. An empty one of no bundle."""
    run_git(folder, "init", "-q", "--bare")
    if bundle is not None:
        run_git(folder, "fetch", "-q", "--no-write-fetch-head", str(bundle), "+refs/*:refs/*")
    run_git(folder, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
