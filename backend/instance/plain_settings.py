"""Forms of settings for browsers without scripts: one's account, an organization and who belongs to it.

The pages draw them (`drawn`). A refused one is drawn again with its reason and with what was typed,
passwords left out. Who may do what is decided by the operations alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from backend.accounts import addresses, deletion, devices
from backend.accounts import service as accounts
from backend.accounts.schemas import LIFETIMES, OFFERED, NewAccessToken
from backend.core import plain_page
from backend.core.context import Actor, Forge
from backend.core.operations import SCOPES, invoke
from backend.invitations import answering
from backend.invitations import service as inviting
from backend.organizations import closing, renaming
from backend.organizations import service as organizations
from backend.projects import deleting

Fields = Mapping[str, str]

ACCOUNT = "/settings"
TOKENS = "/settings/tokens"
ROLES = (("member", "Member"), ("admin", "Admin"), ("owner", "Owner"))
"""Roles in an organization, and their words."""


@dataclass(frozen=True)
class Field:
    """One argument of the operation: `kind` is that of an input, or area, choice, check or hidden."""

    name: str
    label: str = ""
    kind: str = "text"
    hint: str = ""
    purpose: str = "off"
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SettingsForm:
    """What a form does, what is filled in, its words, and where one is afterwards.

    `given` makes the operation's arguments of what was sent; `page` an address of who sent it, what was
    sent and what came of it. What is shown once, `shown` writes as HTML instead.
    """

    deed: str
    operation: Callable[..., Any]
    fields: tuple[Field, ...]
    title: str
    button: str
    done: str
    page: Callable[[Actor, Fields, Any], str]
    tone: str = ""
    given: Callable[[Fields], dict[str, Any]] = dict
    shown: Callable[[Any], str] | None = None


@dataclass(frozen=True)
class Done:
    """What an accepted form leads to: an address, or a page that is shown once."""

    address: str = ""
    page: str = ""


def _account(actor: Actor, sent: Fields, result: Any) -> str:
    return ACCOUNT


def _members(actor: Actor, sent: Fields, result: Any) -> str:
    return f"/orgs/{result.organization}/members"


def _after_removal(actor: Actor, sent: Fields, result: Any) -> str:
    return f"/{result.organization}" if result.handle == actor.handle else _members(actor, sent, result)


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
            page=lambda actor, sent, result: f"/{result.organization}",
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
            page=_members,
        ),
        SettingsForm(
            "revoke",
            inviting.revoke_team_invitation,
            (_INVITATION,),
            title="Invitation",
            button="Revoke",
            done="Revoked.",
            page=_members,
        ),
    )
}
"""Every form by the end of its address, `/_forms/settings/DEED`."""


def drawn(
    deed: str, token: str, *, values: Fields | None = None, leave_out: tuple[str, ...] = (), button: str = ""
) -> str:
    """A form as HTML with these values filled in; `token` is the form token of who looks at it.

    Where nothing is typed it is one line. `button` says it in other words.
    """
    form, filled = FORMS[deed], values or {}
    fields = [each for each in form.fields if each.name not in leave_out]
    # The same form may stand on a page for each of many people.
    id = "-".join(("plain", deed, *(filled.get(each.name, "") for each in fields if each.kind == "hidden")))
    short = all(each.kind in ("hidden", "choice") for each in fields) and deed != "invite"
    body = "".join(_field(each, filled.get(each.name, ""), f"{id}-{each.name}", short) for each in fields)
    size = f'<button class="btn{form.tone}{" small" * short}">{escape(button or form.button)}</button>'
    look = "line close" if short else "stack fields"
    return (
        f'<form class="{look}" method="post" action="/_forms/settings/{deed}">'
        f'<input type="hidden" name="form_token" value="{escape(token)}">'
        f"{body}{size if short else f'<p>{size}</p>'}</form>"
    )


def done(forge: Forge, actor: Actor, form: SettingsForm, fields: Fields) -> Done:
    """Do what a form asks for. Raises what the operation raises."""
    # Browsers send line breaks as CRLF.
    names = [each.name for each in form.fields if each.name in fields]
    typed = {name: fields[name].replace("\r\n", "\n").strip() for name in names}
    result = invoke(forge, actor, form.operation, form.given(typed))
    if form.shown is not None:
        return Done(page=plain_page.page(form.title, form.shown(result)))
    address = form.page(actor, typed, result)
    return Done(f"{address}?done={form.deed}" if form.done else address)


def again(form: SettingsForm, fields: Fields, problem: str) -> str:
    """The page of a refused form."""
    kept = {each.name: fields.get(each.name, "") for each in form.fields if each.kind != "password"}
    body = (
        f'<h1 class="title">{escape(form.title)}</h1>'
        f'<div class="notice rust" role="alert"><b>Not done.</b><span>{escape(problem)}</span></div>'
        + drawn(form.deed, fields.get("form_token", ""), values=kept)
    )
    return plain_page.page(form.title, body)


def _field(field: Field, value: str, id: str, short: bool) -> str:
    name, id, text = field.name, escape(id), escape(value)
    if field.kind == "hidden":
        return f'<input type="hidden" name="{name}" value="{text}">'
    if field.kind == "check":
        return (
            f'<label class="check"><input type="checkbox" name="{name}" value="on"{" checked" * bool(value)}>'
            f"{escape(field.label)}</label>"
        )
    more = f' aria-describedby="{id}-says"' * bool(field.hint) + " required" * field.required
    if field.kind == "choice":
        options = "".join(
            f'<option value="{each}"{" selected" * (each == value)}>{words}</option>'
            for each, words in field.choices
        )
        size = ' class="small"' * short
        box = f'<select id="{id}" name="{name}"{size}{more}>{options}</select>'
    elif field.kind == "area":
        # The first line break after the tag is not part of what is typed.
        box = f'<textarea class="input" id="{id}" name="{name}" rows="3"{more}>\n{text}</textarea>'
    else:
        box = (
            f'<input class="input" id="{id}" name="{name}" type="{field.kind}" value="{text}" '
            f'autocomplete="{field.purpose}"{more}>'
        )
    if short:
        return f'<label class="hush" for="{id}">{escape(field.label)}</label>{box}'
    hint = f'<p class="hint" id="{id}-says">{escape(field.hint)}</p>' if field.hint else ""
    return f'<div class="field"><label for="{id}">{escape(field.label)}</label>{box}{hint}</div>'
