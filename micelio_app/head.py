"""What a page says of itself before any script runs: status, title, cards, a readable body.

A page module registers one function per route:

    @head(routes.PROJECT)
    async def project_head(session, *, org, project):
        overview = await ask(session, projects.get_project, organization=org, project=project)
        return Head(title=f"{org}/{project}", description=overview.description, body=...)

A refusal inside it becomes the one 404 (private and missing are equal), so it needs no `try`.
`body`, `crumbs` and `tabs` are HTML that is shown only where scripts do not run (`micelio_app.plain` has
parts for them): escape what people wrote.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from inspect import signature
from typing import Any
from urllib.parse import parse_qsl, quote

from backend.core import moved
from backend.core.errors import Kind, MicelioError
from backend.core.plain_page import BRAND
from micelio_app import routes
from micelio_app.callers import asked_once

SITE = "Micelio"
SAYS = "A git forge that keeps the prompt, the plan and every tool call beside the change they made."

LONGEST_DESCRIPTION = 300

HeadMaker = Callable[..., Awaitable["Head"]]
_makers: dict[str, HeadMaker] = {}


@dataclass(frozen=True)
class Head:
    """One page's face to crawlers, cards and readers without scripts.

    `location` makes it a redirect (give status 301 or 303). `image` is a path of ours to a picture of
    1200 by 630, `feed` one to an Atom feed; `embeds` says that oEmbed knows the page.
    """

    title: str
    status: int = 200
    description: str = SAYS
    path: str = ""
    kind: str = "website"
    image: str = ""
    feed: str = ""
    embeds: bool = False
    indexed: bool = True
    json_ld: Mapping[str, Any] = field(default_factory=dict)
    body: str = ""
    crumbs: str = ""
    tabs: str = ""
    location: str = ""
    retry_after: int = 0

    @property
    def full_title(self) -> str:
        """The title with the site's name behind it, once."""
        return self.title if SITE in self.title else f"{self.title} · {SITE}"

    def tags(self, origin: str) -> str:
        """The tags for `<head>`; `origin` makes addresses absolute."""
        title, description = escape(self.full_title), escape(_short(self.description), quote=True)
        tags = [
            f"<title>{title}</title>",
            f'<meta name="description" content="{description}">',
            f'<meta property="og:title" content="{title}">',
            f'<meta property="og:description" content="{description}">',
            f'<meta property="og:type" content="{escape(self.kind)}">',
            f'<meta property="og:site_name" content="{SITE}">',
            f'<meta name="twitter:card" content="summary{"_large_image" if self.image else ""}">',
            f'<meta name="twitter:title" content="{title}">',
            f'<meta name="twitter:description" content="{description}">',
        ]
        if self.image:
            image = escape(origin + self.image, quote=True)
            tags += [
                f'<meta property="og:image" content="{image}">',
                '<meta property="og:image:type" content="image/png">',
                '<meta property="og:image:width" content="1200">',
                '<meta property="og:image:height" content="630">',
                f'<meta property="og:image:alt" content="{title}">',
                f'<meta name="twitter:image" content="{image}">',
            ]
        if self.path:
            address = escape(origin + self.path, quote=True)
            tags += [
                f'<meta property="og:url" content="{address}">',
                f'<link rel="canonical" href="{address}">',
            ]
        if self.feed:
            feed = escape(origin + self.feed, quote=True)
            tags.append(f'<link rel="alternate" type="application/atom+xml" title="Landings" href="{feed}">')
        if self.embeds:
            asked = f"?url={quote(origin + self.path, safe='')}"
            tags += [
                f'<link rel="alternate" type="{kind}+oembed" href="{origin}/oembed.{form}{asked}">'
                for kind, form in (("application/json", "json"), ("text/xml", "xml"))
            ]
        if not self.indexed or self.status != 200:
            tags.append('<meta name="robots" content="noindex">')
        if self.json_ld:
            data = json.dumps({"@context": "https://schema.org", **self.json_ld}, ensure_ascii=False)
            tags.append(f'<script type="application/ld+json">{_inert(data)}</script>')
        return "".join(tags)

    def plain_body(self, *, signed_in: bool = False) -> str:
        """The page for readers without scripts, in place of everything else."""
        if not self.body:
            return ""
        out = (
            '<form method="post" action="/auth/sign-out">'
            '<button class="btn quiet small">Sign out</button></form>'
        )
        # Pages with a way to them are pages to come back to.
        sign_in = escape(routes.sign_in(self.path if self.crumbs else ""), quote=True)
        settings = f'<a href="{routes.ACCOUNT}">Settings</a>'
        you = settings + out if signed_in else f'<a class="btn small" href="{sign_in}">Sign in</a>'
        crumbs = f'<nav class="crumbs" aria-label="Breadcrumb">{self.crumbs}</nav>' if self.crumbs else ""
        tabs = f'<nav class="tabs" aria-label="Project">{self.tabs}</nav>' if self.tabs else ""
        return (
            "<noscript><style>body>:not(noscript){display:none}</style>"
            f'<header class="bar"><a class="brand" href="/">{BRAND}<span class="hush">{SITE}</span></a>'
            f'{crumbs}<nav class="you" aria-label="You">{you}</nav></header>{tabs}'
            f'<main class="page stack loose">{self.body}</main></noscript>'
        )


MISSING = Head(
    title="Nothing grows at this address",
    status=404,
    body='<h1 class="title">Nothing grows at this address</h1>'
    "<p>It may be private, moved or never have been. "
    f'If you were sent here, <a href="{routes.SIGN_IN}">sign in</a> and try again.</p>',
)


def head(route: str) -> Callable[[HeadMaker], HeadMaker]:
    """Register what makes the head of a route; it gets the browser session's public id first."""

    def register(maker: HeadMaker) -> HeadMaker:
        _makers[route] = maker
        return maker

    return register


async def head_for(path: str, session: str | None, query: str = "") -> Head:
    """The head of a percent-encoded path for whoever this browser session is.

    Unknown routes and everything the asker may not see give the same 404. A maker that takes `query`
    gets the address's query, the last value of each name.
    """
    found = routes.match(path)
    if found is None:
        return MISSING
    route, slugs = found
    maker = _makers.get(route)
    if maker is None:
        return Head(title=SITE, path=path)
    more = {"query": dict(parse_qsl(query, max_num_fields=50))} if _takes_query(maker) else {}
    try:
        with asked_once(), moved.listening() as heard:
            made = await maker(session, **slugs, **more)
        elsewhere = _elsewhere(route, path, heard)
        return made if elsewhere is None else Head(title=SITE, status=308, location=elsewhere)
    except MicelioError as refusal:
        if refusal.kind is Kind.EXHAUSTED:
            return _too_many(refusal)
        if refusal.kind in (Kind.UNAVAILABLE, Kind.CORRUPT):
            raise
        return MISSING


def _elsewhere(route: str, path: str, heard: list[moved.Moved]) -> str | None:
    parts = route.split("/")
    if "[project]" in parts:
        return moved.at_new_address(path, parts.index("[org]"), heard)
    if "[org]" in parts:
        return moved.at_new_address(path, parts.index("[org]"), heard, segments=1)
    return None


def _too_many(refusal: MicelioError) -> Head:
    wait = refusal.details.get("retry_after", 60)
    body = f'<h1 class="title">Too many at once</h1><p>{escape(refusal.sentence)}</p>'
    return Head(title="Too many at once", status=429, body=body, retry_after=int(wait))


@cache
def _takes_query(maker: HeadMaker) -> bool:
    return "query" in signature(maker).parameters


def _short(text: str) -> str:
    """A description as others cut it, on one line."""
    plain = " ".join(text.split())
    return plain if len(plain) <= LONGEST_DESCRIPTION else plain[: LONGEST_DESCRIPTION - 1].rstrip() + "…"


def _inert(data: str) -> str:
    return data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
