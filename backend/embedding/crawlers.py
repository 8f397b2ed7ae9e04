"""Crawlers: what they may read, and where everything is that a stranger may see."""

from html import escape

from sqlalchemy import func
from sqlmodel import col, select

from backend.core.context import Actor, Context, Forge
from backend.core.errors import NotFound
from backend.organizations.models import Organization
from backend.projects import access
from backend.projects.models import Project

PAGE = 50_000
"""Addresses in one sitemap: as many as the protocol allows."""

SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"

EXPENSIVE = (
    "/api/",
    "/search",
    "/auth/",
    "/_fragments/",
    "/*/*/raw/",
    "/*/*/archive/",
    "/*/*/commit/",
    "/*/*/compare",
    "/*/*/tree/",
    "/*/*/blob/",
    "/*?*show=",
)
CHEAP = ("/*/*/tree/HEAD/", "/*/*/blob/HEAD/")


def robots(origin: str) -> str:
    """What crawlers leave alone: each costs us more than it tells them. Of code the newest is enough."""
    rules = [f"Disallow: {pattern}" for pattern in EXPENSIVE] + [f"Allow: {pattern}" for pattern in CHEAP]
    return "\n".join(["User-agent: *", *rules, "", f"Sitemap: {origin}/sitemap.xml", ""])


def sitemap_index(forge: Forge, stranger: Actor, origin: str) -> str:
    """The list of sitemaps."""
    with Context(forge, stranger).transaction(write=False) as ctx:
        counted = select(func.count()).select_from(Project).where(access.visible(ctx))
        projects = ctx.db.exec(counted).one()
    pages = [f"{origin}/sitemap-{number}.xml" for number in range(1, max(1, -(-projects // (PAGE // 2))) + 1)]
    places = "".join(f"<sitemap><loc>{escape(page)}</loc></sitemap>" for page in pages)
    return _document("sitemapindex", places)


def sitemap(forge: Forge, stranger: Actor, origin: str, number: int) -> str:
    """One sitemap: projects that strangers see and who owns them, by address. NotFound beyond the last.

    A project may bring its owner along, so half as many projects fill a page.
    """
    size = PAGE // 2
    with Context(forge, stranger).transaction(write=False) as ctx:
        rows = ctx.db.exec(
            select(Organization.handle, Project.handle, Project.updated_at)
            .join(Organization, col(Organization.id) == col(Project.organization_id))
            .where(access.visible(ctx))
            .order_by(col(Organization.handle), col(Project.handle))
            .offset((number - 1) * size)
            .limit(size)
        ).all()
    if not rows and number != 1:
        raise NotFound(what=f"sitemap {number}")
    places = [f"<url><loc>{escape(origin)}/</loc></url>"] if number == 1 else []
    owner = ""
    for organization, handle, at in rows:
        if organization != owner:
            owner = organization
            places.append(f"<url><loc>{escape(f'{origin}/{owner}')}</loc></url>")
        address = escape(f"{origin}/{organization}/{handle}")
        places.append(f"<url><loc>{address}</loc><lastmod>{at:%Y-%m-%d}</lastmod></url>")
    return _document("urlset", "".join(places))


def _document(name: str, inside: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{SITEMAP}">{inside}</{name}>\n'
