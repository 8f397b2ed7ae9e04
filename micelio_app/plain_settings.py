"""Settings for readers without scripts, as forms: one's account, an organization and who belongs to it, a
project, an invitation.
"""

from collections.abc import Mapping, Sequence
from html import escape

from backend.accounts.schemas import USUAL, AccessTokenSummary, CurrentUser, DeviceSummary
from backend.instance.plain_settings import FORMS, drawn
from backend.invitations.schemas import MyInvitation, TeamInvitationSummary
from backend.organizations.schemas import MemberSummary, OrganizationSummary
from backend.portability.mirrors import USUAL_MINUTES
from backend.portability.schemas import MirrorStatus
from backend.projects.collaborators import CollaboratorSummary
from backend.projects.deleting import DeletedProject
from backend.projects.schemas import ProjectSummary
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
    further: str | None,
) -> str:
    """Who belongs to an organization; for admins also whom to ask, and who was asked."""
    manages, owns = found.role in ("admin", "owner"), found.role == "owner"
    rows = (
        ("", *_member(each, me=me, token=token, may=manages and (owns or each.role != "owner")))
        for each in listed
    )
    more = plain.further("More members", further, by="after")
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


def project(
    found: ProjectSummary,
    people: Sequence[CollaboratorSummary],
    waiting: Sequence[TeamInvitationSummary],
    mirrors: Sequence[MirrorStatus],
    *,
    me: str,
    token: str,
    query: Query,
    further: str | None,
) -> str:
    """The settings of a project, as far as the viewer's role goes."""
    here = {"organization": found.organization, "project": found.handle}
    about = {"name": found.name, "description": found.description, "website": found.website}
    access = {
        "visibility": found.visibility.value,
        "who_may_propose": found.who_may_propose.value,
        "session_visibility": found.session_visibility.value,
        "protect_main_branch": "on" if found.protect_main_branch else "",
    }
    archived = {"archived": "false" if found.archived else "true"}
    words = "Take it out of the archive" if found.archived else ""
    more = plain.further("More collaborators", further, by="after")
    mirror = {**here, "interval_minutes": str(USUAL_MINUTES)}
    owners = _section("Transfer", drawn("transfer-project", token, values=here)) + _section(
        "Delete",
        '<p class="soft prose">An owner can bring it back for 30 days; then it is erased for good.</p>',
        drawn("delete-project", token, values=here),
    )
    return _page(
        "Settings",
        query,
        _section("About", drawn("project", token, values={**here, **about})),
        _section("Who may do what", drawn("project-access", token, values={**here, **access})),
        _section(
            "Collaborators",
            plain.rows(("", *_collaborator(each, me, token)) for each in people),
            more,
            plain.rows(_waiting(each, token) for each in waiting),
            drawn("invite-collaborator", token, values={**here, "role": "write"}),
        ),
        _section(
            "Mirrors",
            plain.rows(_mirror(each, token) for each in mirrors),
            drawn("mirror", token, values=mirror),
        ),
        _section("Handle", drawn("rename-project", token, values={**here, "handle": found.handle})),
        _section("Archive", drawn("archive", token, values={**here, **archived}, button=words)),
        owners if "delete" in found.may else "",
    )


def invitation(found: MyInvitation, *, me: str, form_token: str, link_token: str) -> str:
    """One invitation: both answers for whom it is for, the way to them for everybody else."""
    here = routes.invitation(found.id)
    place = found.organization + (f"/{found.project}" if found.project else "")
    said = (
        plain.title(f"{found.invited_by_name or found.invited_by} invites you to {place}")
        + plain.paragraph(found.description)
        + plain.meta(f"as {escape(found.role)}", f"until {found.expires_at:%Y-%m-%d}")
    )
    if found.yours:
        given = {"invitation_id": found.id}
        answers = "".join(drawn(deed, form_token, values=given) for deed in ("accept", "decline"))
        return f'<div class="stack">{said}<div class="line close">{answers}</div></div>'
    ways = [plain.link("sign in", routes.sign_in(here))]
    ways += [plain.link("create an account", routes.sign_up(link_token, here))] if found.signup else []
    other = f"It was sent to another address than that of {escape(me)}. " if me else ""
    return f'<div class="stack">{said}<p>{other}To answer it, {" or ".join(ways)}.</p></div>'


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


def _collaborator(one: CollaboratorSummary, me: str, token: str) -> tuple[str, ...]:
    named = {"organization": one.organization, "project": one.project, "handle": one.handle}
    said = f"<span>{escape(one.handle)}</span><span>{one.role.value} since {one.added_at:%Y-%m-%d}</span>"
    words = "Leave" if one.handle == me else ""
    role = drawn("collaborator-role", token, values={**named, "role": one.role.value})
    remove = drawn("remove-collaborator", token, values=named, button=words)
    return plain.link(one.name or one.handle, routes.owner(one.handle)), said, role, remove


def _mirror(one: MirrorStatus, token: str) -> tuple[str, ...]:
    named = {"organization": one.organization, "project": one.project, "mirror_id": one.id}
    last = f"last success {one.last_success_at:%Y-%m-%d %H:%M} UTC" if one.last_success_at else ""
    said = ("paused" if one.paused else one.state.value, last, one.problem or one.result)
    pause = {**named, "paused": "false" if one.paused else "true"}
    forms = [] if one.paused else [drawn("mirror-now", token, values=named)]
    forms.append(drawn("pause-mirror", token, values=pause, button="Resume" if one.paused else ""))
    forms.append(drawn("remove-mirror", token, values=named))
    way = "pulls from" if one.direction.value == "pull" else "pushes to"
    told = "".join(f"<span>{escape(each)}</span>" for each in said if each)
    return _MIRROR_DOTS.get(one.state.value, ""), f"{way} <b>{escape(one.url)}</b>", told, *forms


_MIRROR_DOTS = {"waiting": "waiting", "running": "running", "done": "passed", "failed": "failed"}


def _waiting(one: TeamInvitationSummary, token: str) -> tuple[str, ...]:
    said = f"<span>as {escape(one.role)}</span><span>from {escape(one.invited_by)}</span>"
    said += f"<span>{one.state.value}, until {one.expires_at:%Y-%m-%d}</span>"
    state = "waiting" if one.state.value == "waiting" else "failed"
    forms = (drawn(deed, token, values={"invitation_id": one.id}) for deed in ("resend", "revoke"))
    return state, f"<b>{escape(one.invitee)}</b>", said, *forms
