"""`mic export`: a project leaves as what every git reads."""

import os
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from mic import address, parsing, render
from mic.address import ProjectAddress
from mic.errors import Refused, Usage
from mic.here import Here
from mic.rest import Rest

EXAMPLE = "examples:\n  mic export git ./notes.git\n  mic export bundle notes.bundle --project acme/notes"


def add_arguments(parser: ArgumentParser) -> None:
    """As what, and where to."""
    verbs = parsing.subcommands(parser)
    git = parsing.verb(verbs, "git", run_git, "mic export git ./notes.git")
    git.add_argument("into", metavar="DIR", help="a folder that is not there yet")
    bundle = parsing.verb(verbs, "bundle", run_bundle, "mic export bundle notes.bundle")
    bundle.add_argument("into", metavar="FILE", help="a file that is not there yet")
    for each in (git, bundle):
        each.add_argument("--project", metavar="ORG/PROJECT", help="the workspace's when left out")


def run_git(here: Here, args: Namespace) -> None:
    """Export a project as a bare git repository, every SHA-1 as it is"""
    from mic import packing

    where, rest, about = _asked(here, args)
    folder = _free(here, args.into)
    with tempfile.TemporaryDirectory(prefix="mic-") as draft:
        bundle: Path | None = Path(draft) / "project.bundle"
        try:
            assert bundle is not None
            _download(rest, where, bundle)
        except Refused as refusal:
            if refusal.refusal != "export.empty":
                raise
            bundle = None
        # Beside its place, so that a folder that is there is a whole one.
        aside = folder.with_name(f".{folder.name}.{os.getpid()}")
        packing.repository_of(bundle, aside, about["default_branch"])
        os.rename(aside, folder)
    _told(here, args, where, {"folder": str(folder)})


def run_bundle(here: Here, args: Namespace) -> None:
    """Export a project as a git bundle: one file with its whole history"""
    where, rest, _ = _asked(here, args)
    file = _free(here, args.into)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        _download(rest, where, aside)
        os.rename(aside, file)
    finally:
        aside.unlink(missing_ok=True)
    _told(here, args, where, {"file": str(file)})


def _asked(here: Here, args: Namespace) -> tuple[ProjectAddress, Rest, Any]:
    where = address.project(args.project) if args.project else here.project
    rest = Rest(here.client(where.instance), insecure=bool(args.insecure))
    return where, rest, rest.ask("GET", f"/api/v1/projects/{where.name}")


def _free(here: Here, given: str) -> Path:
    path = Path(here.folder, given)
    if os.path.lexists(path):
        raise Usage(problem=f"{given} is there already. Name one that is not.")
    return path


def _download(rest: Rest, where: ProjectAddress, into: Path) -> None:
    with open(into, "wb") as file:
        rest.download(f"/api/v1/projects/{where.name}/export.bundle", file)


def _told(here: Here, args: Namespace, where: ProjectAddress, made: dict[str, str]) -> None:
    if here.json:
        return render.as_json({"project": where.name, **made})
    render.line(f"Exported {where.name} to {args.into}.")
