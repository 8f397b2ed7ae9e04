"""Settings for readers without scripts: one's account, an organization and who belongs to it, as forms."""

from collections.abc import Mapping, Sequence
from html import escape

from backend.accounts.schemas import USUAL, AccessTokenSummary, CurrentUser, DeviceSummary
from backend.instance.plain_settings import FORMS, drawn
from backend.invitations.schemas import MyInvitation, TeamInvitationSummary
from backend.organizations.schemas import MemberSummary, OrganizationSummary
from backend.projects.deleting import DeletedProject
from micelio_app import plain, routes

Query = Mapping[str, str]


def account(
    me: CurrentUser,
    signed_in: Sequence[DeviceSummary],
    asked: Sequence[MyInvitation],
    *,
    token: str,
    query: Query,
) -> str:
    """The settings of whoever is signed in."""
    without = () if me.has_password else ("password", "current")
    about = {"name": me.name, "bio": me.bio, "links": "\n".join(me.links)}
    reached = f"<p>You are reached at <b>{escape(me.email)}</b>. Nobody else sees it.</p>"
    shared = [each for each in me.organizations if not each.personal]
    belongs = plain.rows(("", *_organization(each.handle, each.name, each.role.value)) for each in shared)
    return _page(
        "Settings",
        query,
        _section("Profile", drawn("profile", token, values=about)),
        _section("E-mail", reached, drawn("email", token, leave_out=without)),
        _section("Password", drawn("password", token, leave_out=without)),
        _section(
            "Devices",
            plain.rows(("", *_device(each, token)) for each in signed_in),
            drawn("everywhere", token),
        ),
        invited(asked, token) if asked else "",
        _section(
            "Organizations",
            belongs if shared else plain.nothing("You belong to no organization"),
            f"<p>{plain.link('Deleted projects of yours', routes.deleted(me.handle))}</p>",
            end=plain.link("New organization", routes.NEW_ORGANIZATION),
        ),
        _section("Access tokens", f"<p>{plain.link('Make, see and revoke them', routes.TOKENS)}</p>"),
        _section("Delete account", drawn("delete-account", token, leave_out=without)),
    )


def tokens(listed: Sequence[AccessTokenSummary], *, token: str, query: Query) -> str:
    """Access tokens, and a form for a new one."""
    rows = (
        (
            "",
            f"<b>{escape(each.name)}</b>",
            f"<code>{escape(each.hint)}</code><span>{', '.join(each.scopes)}</span>"
            f"<span>{each.kind.value}</span><span>until {each.expires_at:%Y-%m-%d}</span>",
            drawn("revoke-token", token, values={"token_id": each.id}),
        )
        for each in listed
    )
    usual = {**dict.fromkeys(USUAL, "on"), "days": "90"}
    return _page(
        "Access tokens",
        query,
        _section("New token", drawn("token", token, values=usual)),
        _section("Your tokens", plain.rows(rows) if listed else plain.nothing("No token yet")),
    )


def invited(asked: Sequence[MyInvitation], token: str) -> str:
    """What the viewer was asked to join, and both answers."""
    rows = (
        (
            "waiting",
            f"<b>{escape(each.organization + (f'/{each.project}' if each.project else ''))}</b>",
            f"<span>as {escape(each.role)}</span><span>from {escape(each.invited_by)}</span>",
            drawn("accept", token, values={"invitation_id": each.id}),
            drawn("decline", token, values={"invitation_id": each.id}),
        )
        for each in asked
    )
    return _section("You are invited", plain.rows(rows), count=len(asked))


def organization(found: OrganizationSummary, *, token: str, query: Query) -> str:
    """The settings of an organization, as far as the viewer's role goes."""
    here = {"organization": found.handle}
    about = drawn(
        "organization", token, values={**here, "name": found.name, "description": found.description}
    )
    members = plain.link("Members, invitations and roles", routes.members(found.handle))
    owners = (
        _section("Handle", drawn("rename-organization", token, values={**here, "handle": found.handle}))
        + _section("Deleted projects", plain.link("Look at them", routes.deleted(found.handle)))
        + _section(
            "Delete",
            '<p class="soft prose">Only an organization without projects can be deleted.</p>',
            drawn("delete-organization", token, values=here),
        )
    )
    rest = owners if found.role == "owner" else ""
    return _page("Settings", query, _section("About", about), _section("Members", members), rest)


def members(
    found: OrganizationSummary,
    listed: Sequence[MemberSummary],
    waiting: Sequence[TeamInvitationSummary],
    *,
    me: str,
    token: str,
    query: Query,
    further: str = "",
) -> str:
    """Who belongs to an organization; for admins also whom to ask, and who was asked."""
    manages, owns = found.role in ("admin", "owner"), found.role == "owner"
    rows = (
        ("", *_member(each, me=me, token=token, may=manages and (owns or each.role != "owner")))
        for each in listed
    )
    more = f'<p class="more">{plain.link("More members", further)}</p>' if further else ""
    here = _section("Members", plain.rows(rows), more)
    if not manages:
        return _page("Members", query, here)
    asked = plain.rows(_waiting(each, token) for each in waiting)
    return _page(
        "Members",
        query,
        here,
        _section("Waiting for an answer", asked if waiting else plain.nothing("Nobody is asked")),
        _section("Invite", drawn("invite", token, values={"organization": found.handle})),
    )


def deleted(organization: str, listed: Sequence[DeletedProject], *, token: str) -> str:
    """Projects that can come back."""
    rows = (
        (
            "",
            f"<b>{escape(each.name or each.handle)}</b>",
            f"<span>erased for good {each.erased_at:%Y-%m-%d}</span>",
            drawn("restore", token, values={"organization": organization, "project": each.handle}),
        )
        for each in listed
    )
    body = plain.rows(rows) if listed else plain.nothing("Nothing to bring back")
    return _page("Deleted projects", {}, body)


def new_organization(token: str) -> str:
    """One form."""
    return _page("New organization", {}, drawn("new-organization", token))


def _section(heading: str, *content: str, count: int | None = None, end: str = "") -> str:
    return plain.section(heading, f'<div class="stack">{"".join(content)}</div>', count=count, end=end)


def _page(heading: str, query: Query, *content: str) -> str:
    return f'<div class="stack loose settings">{plain.title(heading)}{_told(query)}{"".join(content)}</div>'


def _told(query: Query) -> str:
    done = query.get(plain.DONE, "")
    return plain.notice(FORMS[done].done, "") if done in FORMS and FORMS[done].done else ""


def _device(device: DeviceSummary, token: str) -> tuple[str, ...]:
    said = f"<span>{escape(device.address)}</span><span>seen {device.seen_at:%Y-%m-%d}</span>"
    if device.current:
        return f"<b>{escape(device.name)}</b>", said + "<span>this one</span>"
    return f"<b>{escape(device.name)}</b>", said, drawn("device", token, values={"device_id": device.id})


def _organization(handle: str, name: str, role: str) -> tuple[str, str]:
    members = plain.link("Members", routes.members(handle))
    return plain.link(name or handle, routes.owner(handle)), f"<span>{role}</span><span>{members}</span>"


def _member(member: MemberSummary, *, me: str, token: str, may: bool) -> tuple[str, ...]:
    named = {"organization": member.organization, "handle": member.handle}
    mine, role = member.handle == me, member.role.value
    said = f"<span>{escape(member.handle)}</span><span>{role} since {member.joined_at:%Y-%m-%d}</span>"
    forms = [drawn("role", token, values={**named, "role": role})] if may else []
    if may or mine:
        forms.append(drawn("remove", token, values=named, button="Leave" if mine else "Remove"))
    return plain.link(member.name or member.handle, routes.owner(member.handle)), said, *forms


def _waiting(one: TeamInvitationSummary, token: str) -> tuple[str, ...]:
    said = f"<span>as {escape(one.role)}</span><span>from {escape(one.invited_by)}</span>"
    said += f"<span>{one.state.value}, until {one.expires_at:%Y-%m-%d}</span>"
    state = "waiting" if one.state.value == "waiting" else "failed"
    forms = (drawn(deed, token, values={"invitation_id": one.id}) for deed in ("resend", "revoke"))
    return state, f"<b>{escape(one.invitee)}</b>", said, *forms
