"""Settings without scripts: every form of an account, an organization, who belongs to it, and a project.

The pages draw them (`drawn`).
"""

from html import escape
from typing import Any

from backend.accounts import addresses, deletion, devices
from backend.accounts import service as accounts
from backend.accounts.schemas import LIFETIMES, OFFERED, NewAccessToken
from backend.core.context import Actor
from backend.core.operations import SCOPES
from backend.instance import plain_forms
from backend.instance.plain_forms import Field, Fields, SettingsForm
from backend.instance.plain_project import PROJECT_FORMS, settings_of
from backend.invitations import answering
from backend.invitations import service as inviting
from backend.organizations import closing, renaming
from backend.organizations import service as organizations
from backend.projects import deleting

ACCOUNT = "/settings"
TOKENS = "/settings/tokens"
ROLES = (("member", "Member"), ("admin", "Admin"), ("owner", "Owner"))
"""Roles in an organization, and their words."""


def _account(actor: Actor, sent: Fields, result: Any) -> str:
    return ACCOUNT


def _members(actor: Actor, sent: Fields, result: Any) -> str:
    return f"/orgs/{result.organization}/members"


def _invited(actor: Actor, sent: Fields, result: Any) -> str:
    return settings_of(actor, sent, result) if result.project else _members(actor, sent, result)


def _after_removal(actor: Actor, sent: Fields, result: Any) -> str:
    return f"/{result.organization}" if result.handle == actor.handle else _members(actor, sent, result)


def _joined(actor: Actor, sent: Fields, result: Any) -> str:
    return f"/{result.organization}/{result.project}" if result.project else f"/{result.organization}"


def _settings(actor: Actor, sent: Fields, result: Any) -> str:
    return f"/orgs/{result.handle}/settings"


def _profile(sent: Fields) -> dict[str, Any]:
    lines = [line.strip() for line in sent.get("links", "").splitlines()]
    return {**sent, "links": [line for line in lines if line]}


def _token(sent: Fields) -> dict[str, Any]:
    return {
        "name": sent.get("name", ""),
        "scopes": [scope for scope in OFFERED if scope in sent],
        "kind": "agent" if "agent" in sent else "personal",
        "expires_in_days": sent.get("days", "90"),
    }


def _secret(made: NewAccessToken) -> str:
    return (
        '<h1 class="title">Your new token</h1><p class="soft">Copy it now: it is not shown again.</p>'
        f"<pre><code>{escape(made.token)}</code></pre>"
        f'<p><a href="{TOKENS}">Access tokens</a></p>'
    )


_PASSWORD = Field("password", "Current password", "password", purpose="current-password", required=True)
_ORGANIZATION = Field("organization", kind="hidden")
_INVITATION = Field("invitation_id", kind="hidden")
_HANDLE = Field("handle", kind="hidden")

FORMS = {
    form.deed: form
    for form in (
        SettingsForm(
            "profile",
            accounts.update_current_user,
            (
                Field("name", "Name", purpose="name"),
                Field("bio", "About", "area", "Up to 280 characters, for everybody to read."),
                Field("links", "Links", "area", "Addresses of yours elsewhere, one on a line, five at most."),
            ),
            title="Profile",
            button="Save profile",
            tone=" primary",
            done="Saved.",
            page=_account,
            given=_profile,
        ),
        SettingsForm(
            "email",
            addresses.change_email,
            (
                Field("email", "New address", "email", "A link goes there.", "email", required=True),
                _PASSWORD,
            ),
            title="E-mail",
            button="Send the link",
            done="If nobody else has that address, a link is on its way there.",
            page=_account,
        ),
        SettingsForm(
            "password",
            accounts.change_password,
            (
                Field("current", "Current password", "password", "", "current-password", required=True),
                Field("new", "New password", "password", "At least 12 characters.", "new-password", True),
            ),
            title="Password",
            button="Change the password",
            done="Changed. Everything but this browser was signed out.",
            page=_account,
        ),
        SettingsForm(
            "device",
            devices.revoke_device,
            (Field("device_id", kind="hidden"),),
            title="Devices",
            button="Sign out",
            done="Signed out there.",
            page=_account,
        ),
        SettingsForm(
            "everywhere",
            devices.sign_out_everywhere,
            (),
            title="Devices",
            button="Sign out everywhere",
            tone=" danger",
            done="",
            page=lambda actor, sent, result: "/signin",
        ),
        SettingsForm(
            "token",
            accounts.create_access_token,
            (
                Field("name", "Name", hint="What or who uses it.", required=True),
                *(Field(scope, f"{scope}: {SCOPES[scope]}", "check") for scope in OFFERED),
                Field("agent", "It belongs to an agent: it never approves.", "check"),
                Field("days", "It ends", "choice", choices=LIFETIMES),
            ),
            title="New token",
            button="Create the token",
            tone=" primary",
            done="",
            page=lambda actor, sent, result: TOKENS,
            given=_token,
            shown=_secret,
        ),
        SettingsForm(
            "revoke-token",
            accounts.revoke_access_token,
            (Field("token_id", kind="hidden"),),
            title="Access tokens",
            button="Revoke",
            tone=" danger",
            done="Revoked. It stopped working at once.",
            page=lambda actor, sent, result: TOKENS,
        ),
        SettingsForm(
            "accept",
            answering.accept_team_invitation,
            (_INVITATION,),
            title="Invitation",
            button="Accept",
            tone=" primary",
            done="",
            page=_joined,
        ),
        SettingsForm(
            "decline",
            answering.decline_team_invitation,
            (_INVITATION,),
            title="Invitation",
            button="Decline",
            done="Declined.",
            page=_account,
        ),
        SettingsForm(
            "delete-account",
            deletion.delete_current_user,
            (Field("handle", "Your handle", required=True), _PASSWORD),
            title="Delete account",
            button="Delete this account",
            tone=" danger",
            done="",
            page=lambda actor, sent, result: "/",
        ),
        SettingsForm(
            "new-organization",
            organizations.create_organization,
            (
                Field("handle", "Handle", hint="Its name in addresses.", required=True),
                Field("name", "Name", hint="As people read it; may be empty."),
                Field("description", "Description", "area"),
            ),
            title="New organization",
            button="Create the organization",
            tone=" primary",
            done="Created. Invite people now.",
            page=lambda actor, sent, result: f"/orgs/{result.handle}/members",
        ),
        SettingsForm(
            "organization",
            organizations.update_organization,
            (_ORGANIZATION, Field("name", "Name"), Field("description", "Description", "area")),
            title="About",
            button="Save",
            tone=" primary",
            done="Saved.",
            page=_settings,
        ),
        SettingsForm(
            "rename-organization",
            renaming.rename_organization,
            (
                _ORGANIZATION,
                Field(
                    "handle",
                    "New handle",
                    hint="Links and clones go on working under the old one, which nobody else gets.",
                    required=True,
                ),
            ),
            title="Handle",
            button="Rename",
            done="Renamed. The old addresses lead here.",
            page=_settings,
        ),
        SettingsForm(
            "delete-organization",
            closing.delete_organization,
            (_ORGANIZATION, Field("confirm", "Its handle, to confirm", required=True)),
            title="Delete",
            button="Delete this organization",
            tone=" danger",
            done="",
            page=lambda actor, sent, result: "/",
        ),
        SettingsForm(
            "restore",
            deleting.restore_project,
            (_ORGANIZATION, Field("project", kind="hidden")),
            title="Deleted projects",
            button="Restore",
            done="",
            page=lambda actor, sent, result: f"/{result.organization}/{result.handle}",
        ),
        SettingsForm(
            "invite",
            inviting.invite_member,
            (
                _ORGANIZATION,
                Field("invitee", "Handle or e-mail", required=True),
                Field("role", "As", "choice", choices=ROLES),
            ),
            title="Invite",
            button="Invite",
            tone=" primary",
            done="Invited. They have seven days to say yes.",
            page=_members,
        ),
        SettingsForm(
            "role",
            organizations.update_member,
            (_ORGANIZATION, _HANDLE, Field("role", "Role", "choice", choices=ROLES)),
            title="Role",
            button="Change",
            done="Changed.",
            page=_members,
        ),
        SettingsForm(
            "remove",
            organizations.remove_member,
            (_ORGANIZATION, _HANDLE),
            title="Members",
            button="Remove",
            done="",
            page=_after_removal,
        ),
        SettingsForm(
            "resend",
            inviting.resend_team_invitation,
            (_INVITATION,),
            title="Invitation",
            button="Send again",
            done="Sent again.",
            page=_invited,
        ),
        SettingsForm(
            "revoke",
            inviting.revoke_team_invitation,
            (_INVITATION,),
            title="Invitation",
            button="Revoke",
            done="Revoked.",
            page=_invited,
        ),
        *PROJECT_FORMS,
    )
}
"""Every form by the end of its address, `/_forms/settings/DEED`."""


def drawn(deed: str, token: str, **how: Any) -> str:
    """The form of that name as HTML, as `plain_forms.drawn` draws it."""
    return plain_forms.drawn(FORMS[deed], token, **how)
