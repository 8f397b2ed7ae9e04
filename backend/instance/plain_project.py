"""The forms of a project's settings without scripts, and the words of what is chosen there.

What cannot be taken back at once asks for the project's address, typed again.
"""

from typing import Any

from backend.core.context import Actor
from backend.core.errors import InvalidInput
from backend.instance.plain_forms import Field, Fields, SettingsForm
from backend.invitations import service as inviting
from backend.portability import mirrors
from backend.projects import collaborators, deleting, moving
from backend.projects import service as projects

VISIBILITIES = (("private", "Members and collaborators"), ("public", "Everybody"))
PROPOSERS = (("anyone", "Everybody who is signed in"), ("members", "Members only"))
READERS = (("members", "Members only, until they land"), ("anyone", "Everybody who sees the project"))
ROLES = (("read", "Read"), ("write", "Write"), ("admin", "Admin"))
"""Roles on one project, and their words."""
WAYS = (
    ("push", "Push: that repository follows this project"),
    ("pull", "Pull: this project follows it"),
)
REFS = (("all", "Branches, tags and notes"), ("trunk", "The default branch only"))
INTERVALS = (
    ("10", "Every 10 minutes"),
    ("60", "Every hour"),
    ("480", "Every 8 hours"),
    ("1440", "Every day"),
)


def settings_of(actor: Actor, sent: Fields, result: Any) -> str:
    """The settings of the project that something belongs to."""
    return f"/{result.organization}/{result.project}/settings"


def _settings(actor: Actor, sent: Fields, result: Any) -> str:
    return f"/{result.organization}/{result.handle}/settings"


def _after_removal(actor: Actor, sent: Fields, result: Any) -> str:
    return "/" if result.handle == actor.handle else settings_of(actor, sent, result)


def _access(sent: Fields) -> dict[str, Any]:
    return {**sent, "protect_main_branch": "protect_main_branch" in sent}


def _mirror(sent: Fields) -> dict[str, Any]:
    return {**sent, "refs": "all"} if sent.get("direction") == "pull" else dict(sent)


def _meant(sent: Fields) -> dict[str, Any]:
    """What was sent, once the address was typed; InvalidInput."""
    address = f"{sent.get('organization')}/{sent.get('project')}"
    if sent.get("confirm", "").lower() != address:
        raise InvalidInput(problem=f"Type {address} to confirm.")
    return {name: value for name, value in sent.items() if name != "confirm"}


_PROJECT = (Field("organization", kind="hidden"), Field("project", kind="hidden"))
_CONFIRM = Field("confirm", "Its address, to confirm", required=True)
_PERSON = (*_PROJECT, Field("handle", kind="hidden"))
_MIRROR = (*_PROJECT, Field("mirror_id", kind="hidden"))

PROJECT_FORMS = (
    SettingsForm(
        "project",
        projects.update_project,
        (
            *_PROJECT,
            Field("name", "Name"),
            Field("description", "Description", "area"),
            Field("website", "Website", hint="An address that begins with https:// or http://."),
        ),
        title="About",
        button="Save",
        tone=" primary",
        done="Saved.",
        page=_settings,
    ),
    SettingsForm(
        "project-access",
        projects.update_project,
        (
            *_PROJECT,
            Field("visibility", "Sees it", "choice", choices=VISIBILITIES),
            Field(
                "who_may_propose",
                "Starts sessions",
                "choice",
                "In a private project only members and collaborators do.",
                choices=PROPOSERS,
            ),
            Field("session_visibility", "Reads transcripts of open sessions", "choice", choices=READERS),
            Field("protect_main_branch", "Only admins land directly; members ask for a review", "check"),
        ),
        title="Who may do what",
        button="Save access",
        done="Saved.",
        page=_settings,
        given=_access,
    ),
    SettingsForm(
        "archive",
        projects.update_project,
        (*_PROJECT, Field("archived", kind="hidden")),
        title="Archive",
        button="Archive it",
        done="Saved.",
        page=_settings,
    ),
    SettingsForm(
        "rename-project",
        moving.rename_project,
        (
            *_PROJECT,
            Field(
                "handle",
                "New handle",
                hint="The old address goes on leading here, for everybody and every clone.",
                required=True,
            ),
        ),
        title="Handle",
        button="Rename",
        done="Renamed. The old addresses lead here.",
        page=_settings,
    ),
    SettingsForm(
        "transfer-project",
        moving.transfer_project,
        (
            *_PROJECT,
            Field("into", "New owner", hint="A handle of yours, or of an organization.", required=True),
            _CONFIRM,
        ),
        title="Transfer",
        button="Transfer it",
        tone=" danger",
        done="",
        page=lambda actor, sent, result: f"/{result.organization}/{result.handle}",
        given=_meant,
    ),
    SettingsForm(
        "delete-project",
        deleting.delete_project,
        (*_PROJECT, _CONFIRM),
        title="Delete",
        button="Delete this project",
        tone=" danger",
        done="",
        page=lambda actor, sent, result: f"/orgs/{result.organization}/deleted",
        given=_meant,
    ),
    SettingsForm(
        "invite-collaborator",
        inviting.invite_collaborator,
        (
            *_PROJECT,
            Field("invitee", "Handle or e-mail", required=True),
            Field("role", "As", "choice", choices=ROLES),
        ),
        title="Invite",
        button="Invite",
        done="Invited. They have seven days to say yes.",
        page=settings_of,
    ),
    SettingsForm(
        "collaborator-role",
        collaborators.update_collaborator,
        (*_PERSON, Field("role", "Role", "choice", choices=ROLES)),
        title="Role",
        button="Change",
        done="Changed.",
        page=settings_of,
    ),
    SettingsForm(
        "remove-collaborator",
        collaborators.remove_collaborator,
        _PERSON,
        title="Collaborators",
        button="Remove",
        done="",
        page=_after_removal,
    ),
    SettingsForm(
        "mirror",
        mirrors.create_mirror,
        (
            *_PROJECT,
            Field("direction", "Which way", "choice", choices=WAYS),
            Field("url", "Address", hint="The clone address.", required=True),
            Field("username", "User"),
            Field("token", "Token", "password", "Kept sealed; nobody is shown it again.", "new-password"),
            Field("interval_minutes", "How often", "choice", choices=INTERVALS),
            Field("refs", "What a push sends", "choice", choices=REFS),
            Field("prune", "Delete on the receiving side what is deleted on the other", "check"),
            Field(
                "overwrite",
                "Overwrite branches and tags that were changed on the receiving side",
                "check",
            ),
        ),
        title="Add a mirror",
        button="Add the mirror",
        done="Added. Its first attempt is under way.",
        page=settings_of,
        given=_mirror,
    ),
    SettingsForm(
        "mirror-now",
        mirrors.sync_mirror,
        _MIRROR,
        title="Mirrors",
        button="Mirror now",
        done="An attempt is under way.",
        page=settings_of,
    ),
    SettingsForm(
        "pause-mirror",
        mirrors.update_mirror,
        (*_MIRROR, Field("paused", kind="hidden")),
        title="Mirrors",
        button="Pause",
        done="Saved.",
        page=settings_of,
    ),
    SettingsForm(
        "remove-mirror",
        mirrors.remove_mirror,
        _MIRROR,
        title="Mirrors",
        button="Remove",
        tone=" danger",
        done="Removed.",
        page=settings_of,
    ),
)
