"""The catalogue: importing it registers every operation, fact and job of the forge.

Doors take their operations from here, so none of them can forget to load a slice.
"""

from backend.accounts import addresses, deletion, devices, grants, recovery, signing_up
from backend.accounts import jobs as account_jobs
from backend.accounts import service as accounts
from backend.core import idempotency, mail
from backend.core.operations import Operation, operations
from backend.embedding import jobs as embedding_jobs
from backend.instance import exploring, outbox, oversight
from backend.instance import service as instance
from backend.invitations import answering
from backend.invitations import service as invitations
from backend.organizations import closing
from backend.organizations import service as organizations
from backend.portability import jobs as portability_jobs
from backend.portability import mirrors
from backend.portability import service as portability
from backend.projects import collaborators, deleting, forks, landings, moving, refs, tree
from backend.projects import jobs as project_jobs
from backend.projects import service as projects
from backend.search import jobs as search_jobs
from backend.search import service as search
from backend.sessions import erasure, files, landing, live
from backend.sessions import jobs as session_jobs
from backend.sessions import service as sessions

SERVICES = (
    accounts,
    devices,
    grants,
    recovery,
    signing_up,
    addresses,
    deletion,
    organizations,
    closing,
    invitations,
    answering,
    projects,
    collaborators,
    forks,
    moving,
    deleting,
    refs,
    tree,
    landings,
    sessions,
    live,
    files,
    landing,
    portability,
    search,
    mirrors,
    instance,
    exploring,
    outbox,
    oversight,
)
JOBS = (
    mail,
    idempotency,
    account_jobs,
    project_jobs,
    session_jobs,
    erasure,
    portability_jobs,
    search_jobs,
    embedding_jobs,
)


def offered(door: str) -> list[Operation]:
    """The operations a door carries, by name: all but those that say why it is left out."""
    return [op for op in operations().values() if door not in op.left_out]
