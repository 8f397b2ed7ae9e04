"""Who soaks a forge: an account with a token, an organization and a project."""

from contextlib import closing

from sqlmodel import select

from backend.accounts.links import create_admin
from backend.accounts.models import Account
from backend.core.config import Settings
from backend.core.context import SYSTEM, Context, Forge
from backend.organizations.service import found_organization
from backend.projects.service import create_project
from tests.soak.doors import ORGANIZATION, PROJECT


def arranged(settings: Settings) -> str:
    """Make them; the token."""
    with closing(Forge.open(settings)) as forge:
        made = create_admin(forge, email="ada@example.org", handle="ada", token=True)
        with Context(forge, SYSTEM).transaction() as tx:
            ada = tx.db.exec(select(Account).where(Account.handle == "ada")).one()
            found_organization(tx, handle=ORGANIZATION, name="Soak", owner_id=ada.id)
        create_project(Context(forge, SYSTEM), organization=ORGANIZATION, project=PROJECT)
    return made.token
