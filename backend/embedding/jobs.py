"""What becomes of pictures when what they say is taken back."""

from backend.core.context import Context
from backend.core.jobs import on
from backend.core.operations import Mode
from backend.embedding.pictures import forget_pictures
from backend.organizations.facts import OwnerChanged
from backend.projects.about import ProjectChanged
from backend.projects.deleting import ProjectErased
from backend.projects.projection import ObjectsErased


@on(ProjectChanged, queue="maintenance", attempts=8, mode=Mode.STEPS)
def forget_pictures_of_changed_project(ctx: Context, fact: ProjectChanged) -> None:
    """A project may have become private; whoever may see a picture has it drawn again."""
    forget_pictures(ctx.forge, fact.project)


@on(OwnerChanged, queue="maintenance", attempts=8, mode=Mode.STEPS)
def forget_pictures_of_owner(ctx: Context, fact: OwnerChanged) -> None:
    """Nothing stays of what a person or an organization said of itself before, or of who is gone."""
    forget_pictures(ctx.forge, fact.organization)


@on(ProjectErased, queue="maintenance", attempts=8, mode=Mode.STEPS)
def forget_pictures_of_erased_project(ctx: Context, fact: ProjectErased) -> None:
    """Nothing of an erased project stays."""
    forget_pictures(ctx.forge, fact.project)


@on(ObjectsErased, queue="maintenance", attempts=8, mode=Mode.STEPS)
def forget_pictures_of_purged_project(ctx: Context, fact: ObjectsErased) -> None:
    """What was erased may stand on a picture."""
    forget_pictures(ctx.forge, fact.project)
