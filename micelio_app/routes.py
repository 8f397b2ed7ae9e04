"""Addresses: every page's pattern, and the functions that make links to it.

Patterns are Reflex's: `[slug]` is one segment, `[[...splat]]` the rest. Handles stand first in
most of them, so every other first segment is RESERVED and `accounts` refuses it as a handle.
Two patterns that share a position must share the slug's name there.

A path in the address of a page is its text (`vcs.paths.quote`) percent-encoded, so that the browser's
router can read it; our own routes for bytes and fragments carry the path's own bytes.
"""

from urllib.parse import quote, unquote, urlencode

from backend.core.addresses import address_of

HOME = "/"
SIGN_IN = "/signin"
WELCOME = "/welcome"
LINK = "/link"
SIGN_UP = "/signup"
CONFIRM = "/confirm"
FORGOT = "/forgot"
SENT = "/sent"
RESET = "/reset"
DEVICE = "/device"
ACCOUNT = "/settings"
ADMINISTRATION = "/admin"
TOKENS = "/settings/tokens"
SEARCH = "/search"
EXPLORE = "/explore"
NEW_PROJECT = "/new"
NEW_IMPORT = "/import"
IMPORT = "/imports/[import_id]"
INVITATION = "/invite/[invitation_id]"
NEW_ORGANIZATION = "/orgs/new"
MEMBERS = "/orgs/[org]/members"
ORGANIZATION_SETTINGS = "/orgs/[org]/settings"
DELETED = "/orgs/[org]/deleted"
BROKEN = "/500"
OWNER = "/[org]"
PROJECT = "/[org]/[project]"
TREE = "/[org]/[project]/tree/[ref]/[[...splat]]"
FILE = "/[org]/[project]/blob/[ref]/[[...splat]]"
EDIT = "/[org]/[project]/edit/[[...splat]]"
NEW_FILE = "/[org]/[project]/new/[[...splat]]"
UPLOAD = "/[org]/[project]/upload/[[...splat]]"
RENAME = "/[org]/[project]/rename/[[...splat]]"
DELETE = "/[org]/[project]/delete/[[...splat]]"
COMMIT = "/[org]/[project]/commit/[ref]"
LANDINGS = "/[org]/[project]/landings"
LANDING = "/[org]/[project]/landings/[position]"
SESSIONS = "/[org]/[project]/sessions"
SESSION = "/[org]/[project]/sessions/[session_id]"
FORKS = "/[org]/[project]/forks"
SETTINGS = "/[org]/[project]/settings"

PAGES: list[str] = []
"""Patterns that have a page, in the order they were hung; `layout.screen` fills it."""

_RESERVED = (
    ".well-known 404 500 _all_routes _event _health _upload about account accounts admin agents api "
    "assets atom auth auth-codespace avatars blog confirm device docs events explore external favicon.ico "
    "feed forgot git graphql health help import imports inbox invite join link live login logout mcp "
    "metrics new "
    "notifications oauth og orgs ping privacy projects raw reset robots.txt rss search security sent session "
    "sessions settings signin signout signup sitemap.xml skill.md static stars status support terms "
    "tokens user users webhooks welcome "
)
RESERVED = frozenset(_RESERVED.split())
"""First segments that are never a handle."""


def administration(section: str) -> str:
    """A list that administrators look at: people, organizations, projects, jobs or audit."""
    return f"{ADMINISTRATION}/{section}"


def search(q: str = "", kind: str = "", cursor: str = "") -> str:
    """What was found for some words; `kind` is project, session, person or organization."""
    asked = {"q": q, "kind": kind, "cursor": cursor}
    return SEARCH + "?" + urlencode({name: value for name, value in asked.items() if value or name == "q"})


def owner(org: str) -> str:
    """The page of a person or an organization."""
    return f"/{_part(org)}"


def members(org: str) -> str:
    """Who belongs to an organization."""
    return f"/orgs/{_part(org)}/members"


def organization_settings(org: str) -> str:
    """An organization's settings."""
    return f"/orgs/{_part(org)}/settings"


def deleted(org: str) -> str:
    """Projects of an organization or a person that can be restored."""
    return f"/orgs/{_part(org)}/deleted"


def invitation(invitation_id: str) -> str:
    """An invitation to an organization or a project."""
    return f"/invite/{_part(invitation_id)}"


def project(org: str, name: str) -> str:
    """A project's first page."""
    return f"/{_part(org)}/{_part(name)}"


def tree(org: str, name: str, ref: str, path: str = "") -> str:
    """A folder at a ref; the ref's own slashes are escaped, the path's are not."""
    return f"{project(org, name)}/tree/{_part(ref)}" + _rest(path)


def file(org: str, name: str, ref: str, path: str, line: int | None = None) -> str:
    """A file at a ref, at a line if given."""
    return f"{project(org, name)}/blob/{_part(ref)}{_rest(path)}" + (f"#L{line}" if line else "")


def changing(org: str, name: str, how: str, path: str = "", session: str = "") -> str:
    """The form that changes a file: `how` is edit, new, upload, rename or delete."""
    return f"{project(org, name)}/{how}{_rest(path)}" + (f"?session={_part(session)}" if session else "")


def archive(org: str, name: str, ref: str, format: str) -> str:
    """All files of a ref as `tar.gz` or `zip`."""
    return f"{project(org, name)}/archive/{_part(ref)}.{format}"


def file_data(org: str, name: str, position: int, path: str) -> str:
    """A file at a position as the API tells it."""
    api = f"/api/v1/projects/{_part(org)}/{_part(name)}"
    return f"{api}/files/{_part(f'@{position}')}/{address_of(path.strip('/'))}"


def session_file_data(session_id: str, path: str) -> str:
    """A file of a session as the API tells it."""
    return f"/api/v1/sessions/{_part(session_id)}/files/{address_of(path.strip('/'))}"


def commit(org: str, name: str, ref: str) -> str:
    """One commit by its id or SHA-1."""
    return f"{project(org, name)}/commit/{_part(ref)}"


def importing(import_id: str) -> str:
    """An import while it runs, and how it ended."""
    return f"/imports/{_part(import_id)}"


def new_import(source: str, org: str, name: str) -> str:
    """The form that asks for an import, filled in."""
    return f"{NEW_IMPORT}?{urlencode({'source': source, 'organization': org, 'project': name})}"


def landings(org: str, name: str) -> str:
    """What landed in a project."""
    return f"{project(org, name)}/landings"


def landing(org: str, name: str, position: int) -> str:
    """One landing by its position."""
    return f"{landings(org, name)}/{position}"


def sessions(org: str, name: str) -> str:
    """A project's sessions."""
    return f"{project(org, name)}/sessions"


def session(org: str, name: str, session_id: str) -> str:
    """One session; any unique part of its id does."""
    return f"{sessions(org, name)}/{_part(session_id)}"


def raw(org: str, name: str, ref: str, path: str) -> str:
    """The bytes of a file at a ref."""
    return f"{project(org, name)}/raw/{_part(ref)}/{address_of(path.strip('/'))}"


def fragment(org: str, name: str, kind: str, ref: str, path: str = "") -> str:
    """Server-rendered HTML of a file (`code`) or a folder's README (`readme`)."""
    inside = f"/{address_of(path.strip('/'))}" if path.strip("/") else ""
    return f"/_fragments/{_part(org)}/{_part(name)}/{kind}/{_part(ref)}{inside}"


def landing_diff(org: str, name: str, position: int) -> str:
    """Server-rendered HTML of what a landing changed."""
    return f"/_fragments/{_part(org)}/{_part(name)}/landings/{position}/diff"


def comparison(org: str, name: str, old: str, new: str) -> str:
    """Server-rendered HTML of what differs between two refs; more of the query may follow."""
    return f"/_fragments/{_part(org)}/{_part(name)}/compare?old={_part(old)}&new={_part(new)}"


def landing_data(org: str, name: str, position: int) -> str:
    """A landing as the API tells it."""
    return f"/api/v1/projects/{_part(org)}/{_part(name)}/landings/{position}"


def forks(org: str, name: str) -> str:
    """A project's forks."""
    return f"{project(org, name)}/forks"


def settings(org: str, name: str) -> str:
    """A project's settings."""
    return f"{project(org, name)}/settings"


def sign_in(next_path: str = "") -> str:
    """Sign-in, and where to go on to afterwards."""
    return SIGN_IN + (f"?next={quote(next_path, safe='/')}" if next_path else "")


def sign_up(token: str, next_path: str) -> str:
    """Signing up with the token of a link that was mailed, and where to go on to afterwards."""
    return f"{SIGN_UP}?{urlencode({'token': token, 'next': next_path}, safe='/')}"


def match(path: str) -> tuple[str, dict[str, str]] | None:
    """The pattern of a percent-encoded path that has a page, and its decoded slugs.

    A literal segment beats a slug. A reserved first segment is never a handle. An empty
    `splat` is the empty string.
    """
    best: tuple[list[int], str, dict[str, str]] | None = None
    for pattern in PAGES:
        slugs = fits(pattern, path)
        if slugs is None:
            continue
        rank = [p.startswith("[") for p in _parts(pattern)]
        if best is None or rank < best[0]:
            best = ([int(r) for r in rank], pattern, slugs)
    return (best[1], best[2]) if best else None


def fits(pattern: str, path: str) -> dict[str, str] | None:
    """The decoded slugs of a percent-encoded path of this pattern; None when it is of another."""
    slugs: dict[str, str] = {}
    rest = [s for s in path.split("/") if s]
    for index, part in enumerate(_parts(pattern)):
        if part == "[[...splat]]":
            slugs["splat"] = "/".join(unquote(s) for s in rest)
            return slugs
        if not rest:
            return None
        segment = rest.pop(0)
        if not part.startswith("["):
            if part != segment:
                return None
        elif index == 0 and segment in RESERVED:
            return None
        else:
            slugs[part.strip("[]")] = unquote(segment)
    return None if rest else slugs


def _parts(pattern: str) -> list[str]:
    return [p for p in pattern.split("/") if p]


def _part(text: str) -> str:
    return quote(text, safe="@")


def _rest(path: str) -> str:
    return "/" + quote(path.strip("/"), safe="/") if path.strip("/") else ""
