"""Git repositories of projects on this node: what git clients are shown.

Each is a projection of the log in a folder under the data folder. It follows the index, and the
index follows the SQL cursor: what one door has announced, git shows.
"""

from pathlib import Path

from backend.core.context import Context, Forge
from backend.projects import code
from backend.projects.models import Project
from vcs.git.projection import GitProjection


def projection(forge: Forge, project: Project) -> GitProjection:
    """The git repository of a project on this node, one per process; it may be behind."""
    found = code.repository(forge, project.id, project.pool)
    return forge.part(("git", project.id), lambda: GitProjection(git_path(forge, project.id), found))


def git_path(forge: Forge, project: str) -> Path:
    """The folder of a project's git repository. Deleting it is harmless."""
    return forge.settings.data / "git" / project


def follow(ctx: Context, project: Project) -> GitProjection:
    """Bring this node's index to what SQL has announced; whoever serves then catches the repository up,
    with no transaction open.
    """
    code.reader(ctx, project)
    return projection(ctx.forge, project)
