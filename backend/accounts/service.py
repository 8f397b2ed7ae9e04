"""Accounts: who you are here, and the tokens that act for you.

Everything here is about the asker's own account, except what administrators do to let others in.
An agent's token reaches none of it: it never holds the scope `user`.
"""

from sqlmodel import col, select

from backend.accounts import links, tokens
from backend.accounts.avatars import avatar_path
from backend.accounts.devices import OWN_ACCOUNT, devices_of
from backend.accounts.models import AccessToken, Account, TokenKind
from backend.accounts.passwords import check_password, passwords
from backend.accounts.people import account_called, account_of, new_account
from backend.accounts.recovery import WrongPassword, check_current, replace_password
from backend.accounts.schemas import (
    AccessTokenList,
    AccessTokenSummary,
    AccountSummary,
    Bio,
    CurrentUser,
    Days,
    DeviceList,
    EmailText,
    HandleText,
    Links,
    MembershipSummary,
    Name,
    NewAccessToken,
    PasswordText,
    PathPrefix,
    ProjectAddress,
    RowId,
    Scope,
    SignInLink,
    TokenLimits,
    TokenName,
)
from backend.core.context import Context
from backend.core.errors import Forbidden, InvalidInput, NotFound
from backend.core.operations import Mode, operation
from backend.organizations.facts import OwnerChanged
from backend.organizations.models import Membership, Organization
from backend.projects import access as project_access
from backend.projects.models import Project
from vcs.objects import check_path
from vcs.paths import unquote


@operation(scope=None, http="GET /api/v1/user", anonymous=False, rpc="AuthService.GetCurrentUser")
def get_current_user(ctx: Context) -> CurrentUser:
    """Say who you are, what your credential may do and which organizations you belong to.

    Works with every good token, whatever its scopes.
    """
    account = account_of(ctx)
    rows = ctx.db.exec(
        select(Organization, Membership.role)
        .join(Membership, col(Membership.organization_id) == col(Organization.id))
        .where(Membership.account_id == account.id)
        .order_by(col(Organization.handle))
    ).all()
    token = ctx.db.get(AccessToken, ctx.actor.token_id) if ctx.actor.token_id else None
    return CurrentUser(
        id=account.id,
        handle=account.handle,
        name=account.name,
        bio=_own_organization(ctx, account).description,
        links=account.links,
        email=account.email,
        admin=ctx.actor.admin,
        has_password=bool(account.password_hash),
        via=ctx.actor.via,
        scopes=None if ctx.actor.scopes is None else sorted(ctx.actor.scopes),
        token=token.name if token else None,
        token_expires_at=token.expires_at if token else None,
        limits=_shown_limits(ctx, token),
        organizations=[
            MembershipSummary(handle=o.handle, name=o.name, personal=o.personal, role=role)
            for o, role in rows
        ],
        created_at=account.created_at,
        url=f"{ctx.forge.settings.public_url}/{account.handle}",
    )


@operation(scope=None, http="GET /api/v1/users/{handle}", left_out=OWN_ACCOUNT)
def get_account(ctx: Context, *, handle: HandleText) -> AccountSummary:
    """Look at a person: what they say about themselves, and nothing that is theirs alone."""
    account = account_called(ctx, handle) if "@" not in handle else None
    if account is None:
        raise NotFound(what="account")
    return _account(ctx, account)


@operation(scope="user", http="PATCH /api/v1/user", left_out=OWN_ACCOUNT)
def update_current_user(
    ctx: Context, *, name: Name | None = None, bio: Bio | None = None, links: Links | None = None
) -> CurrentUser:
    """Change what others see beside your handle: name, a few words, addresses of yours; all is public.

    What is left out stays.
    """
    account = account_of(ctx)
    own = _own_organization(ctx, account)
    if name is not None:
        account.name = own.name = name.strip()
    if bio is not None:
        own.description = bio.strip()
    if links is not None:
        account.links = list(dict.fromkeys(links))
    ctx.db.add(account)
    ctx.db.add(own)
    ctx.emit(OwnerChanged(own.id))
    return get_current_user(ctx)


@operation(scope="user", http="PUT /api/v1/user/password", mode=Mode.STEPS, left_out=OWN_ACCOUNT)
def change_password(ctx: Context, *, new: PasswordText, current: PasswordText = "") -> DeviceList:
    """Change your password and sign out everything else; answers where you remain signed in.

    Other browsers and every program let in with a device code are signed out. `current` may be
    left out only by an account that has no password yet.
    """
    stored = check_current(ctx, current)
    with ctx.transaction(write=False) as tx:
        account = account_of(tx)
        check_password(new, about=(account.handle, account.email, account.name))
    hashed = passwords(ctx.forge).hash(new)
    with ctx.transaction() as tx:
        account = account_of(tx)
        if account.password_hash != stored:
            raise WrongPassword
        replace_password(tx, account, hashed, how="password", but=ctx.actor.browser_id)
        return devices_of(tx)


@operation(scope="user", http="POST /api/v1/tokens", rpc="AuthService.CreateAccessToken")
def create_access_token(
    ctx: Context,
    *,
    name: TokenName,
    scopes: list[Scope],
    kind: TokenKind = TokenKind.PERSONAL,
    project: ProjectAddress | None = None,
    paths: list[PathPrefix] | None = None,
    expires_in_days: Days = tokens.DEFAULT_DAYS,
) -> NewAccessToken:
    """Make an access token and show it this once.

    `project` and `paths` bind an agent's token to one project and to path prefixes in it. A token
    cannot make one that may do more than itself, nor one that lives longer.
    """
    _check_scopes(ctx, scopes, kind)
    limits = _limits(ctx, kind, project, paths or [])
    row, secret = tokens.mint_token(
        ctx, account_of(ctx), name=name, kind=kind, scopes=scopes, days=expires_in_days, limits=limits
    )
    return NewAccessToken(**_token(ctx, row).model_dump(), token=secret)


@operation(scope="user", http="GET /api/v1/tokens", anonymous=False, rpc="AuthService.ListAccessTokens")
def list_access_tokens(ctx: Context) -> AccessTokenList:
    """List your access tokens, expired ones included, revoked ones not."""
    return AccessTokenList(items=[_token(ctx, row) for row in tokens.tokens_of(ctx, account_of(ctx).id)])


@operation(scope="user", http="DELETE /api/v1/tokens/{token_id}", rpc="AuthService.RevokeAccessToken")
def revoke_access_token(ctx: Context, *, token_id: RowId) -> AccessTokenSummary:
    """Revoke an access token of yours; it stops working at once."""
    row = ctx.db.get(AccessToken, token_id)
    if row is None or row.account_id != ctx.actor.id or row.revoked_at is not None:
        raise NotFound(what="access token")
    tokens.revoke(ctx, row)
    return _token(ctx, row)


@operation(scope="admin", http="POST /api/v1/accounts", mode=Mode.STEPS, left_out=OWN_ACCOUNT)
def create_account(
    ctx: Context, *, handle: HandleText, email: EmailText, name: Name = "", password: PasswordText = ""
) -> AccountSummary:
    """Create an account for somebody else. Administrators only.

    The password may be left out: make a sign-in link then. People sign up with `sign_up`, or
    accept an invitation.
    """
    if not ctx.actor.admin:
        raise Forbidden(problem="Only administrators of this instance create accounts for others.")
    if password:
        check_password(password, about=(handle, email, name))
    hashed = passwords(ctx.forge).hash(password) if password else ""
    with ctx.transaction() as tx:
        account = new_account(tx, handle=handle, email=email, name=name, password_hash=hashed)
        return _account(tx, account)


@operation(scope="admin", http="POST /api/v1/accounts/{handle}/sign-in-link", left_out=OWN_ACCOUNT)
def create_sign_in_link(ctx: Context, *, handle: HandleText) -> SignInLink:
    """Make a link that signs an account in once, to hand over by yourself. Administrators only.

    Whoever opens it may choose a password. An earlier unused link of this account stops working.
    """
    if not ctx.actor.admin:
        raise Forbidden(problem="Only administrators of this instance make sign-in links.")
    account = account_called(ctx, handle)
    if account is None:
        raise NotFound(what="account")
    link, expires_at = links.sign_in_link(ctx, account)
    return SignInLink(handle=account.handle, link=link, expires_at=expires_at)


def _own_organization(ctx: Context, account: Account) -> Organization:
    return ctx.db.exec(select(Organization).where(Organization.handle == account.handle)).one()


def _check_scopes(ctx: Context, scopes: list[Scope], kind: TokenKind) -> None:
    asked = frozenset(scope.value for scope in scopes)
    if not asked:
        raise InvalidInput(problem="A token without scopes can do nothing. Name at least one.")
    if kind is TokenKind.AGENT and asked & tokens.NEVER_FOR_AGENTS:
        raise InvalidInput(
            problem="An agent's token cannot have the scopes `user` and `admin`. Leave them out."
        )
    own = ctx.actor.scopes
    if own is not None and not asked <= own:
        missing = ", ".join(sorted(asked - own))
        raise Forbidden(problem=f"This token lacks {missing}, so it cannot make one that has it.")
    if "admin" in asked and not ctx.actor.admin:
        raise Forbidden(problem="Only administrators of this instance make tokens with the scope `admin`.")


def _limits(ctx: Context, kind: TokenKind, project: str | None, paths: list[str]) -> dict[str, object]:
    if kind is not TokenKind.AGENT:
        if project or paths:
            raise InvalidInput(
                problem="Only an agent's token is bound to a project or paths. Use `kind: agent`."
            )
        return {}
    limits: dict[str, object] = {}
    if project:
        organization, _, handle = project.partition("/")
        limits["project"] = project_access.project(ctx, organization, handle)[0].id
    if paths:
        for path in paths:
            check_path(unquote(path.rstrip("/")))
        limits["paths"] = sorted({path.rstrip("/") for path in paths})
    return limits


def _token(ctx: Context, row: AccessToken) -> AccessTokenSummary:
    return AccessTokenSummary(**row.model_dump(exclude={"limits"}), limits=_shown_limits(ctx, row))


def _shown_limits(ctx: Context, row: AccessToken | None) -> TokenLimits:
    limits = row.limits if row else {}
    address = None
    if id := limits.get("project"):
        found = ctx.db.exec(
            select(Organization.handle, Project.handle)
            .join(Project, col(Project.organization_id) == col(Organization.id))
            .where(Project.id == id)
        ).first()
        address = "/".join(found) if found else id
    return TokenLimits(project=address, paths=limits.get("paths", []))


def _account(ctx: Context, account: Account) -> AccountSummary:
    return AccountSummary(
        id=account.id,
        handle=account.handle,
        name=account.name,
        bio=_own_organization(ctx, account).description,
        links=account.links,
        admin=account.admin,
        created_at=account.created_at,
        url=f"{ctx.forge.settings.public_url}/{account.handle}",
        avatar_url=f"{ctx.forge.settings.public_url}{avatar_path(account.handle)}",
    )
