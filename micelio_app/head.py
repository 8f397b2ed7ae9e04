"""What a page says of itself before any script runs: status, title, cards, a readable body.

A page module registers one function per route:

    @head(routes.PROJECT)
    async def project_head(session, *, org, project):
        overview = await ask(session, projects.get_project, organization=org, project=project)
        return Head(title=f"{org}/{project}", description=overview.description, body=...)

A refusal inside it becomes the one 404 (private and missing are equal), so it needs no `try`.
`body` is HTML that is shown only where scripts do not run: escape what people wrote.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from backend.core import moved
from backend.core.errors import Kind, MicelioError
from micelio_app import routes

SITE = "Micelio"
SAYS = "A git forge that keeps the prompt, the plan and every tool call beside the change they made."

HeadMaker = Callable[..., Awaitable["Head"]]
_makers: dict[str, HeadMaker] = {}


@dataclass(frozen=True)
class Head:
    """One page's face to crawlers, cards and readers without scripts.

    `location` makes it a redirect (give status 301 or 303). `image` is a path of ours.
    """

    title: str
    status: int = 200
    description: str = SAYS
    path: str = ""
    kind: str = "website"
    image: str = ""
    indexed: bool = True
    json_ld: Mapping[str, Any] = field(default_factory=dict)
    body: str = ""
    location: str = ""

    @property
    def full_title(self) -> str:
        """The title with the site's name behind it, once."""
        return self.title if SITE in self.title else f"{self.title} · {SITE}"

    def tags(self, origin: str) -> str:
        """The tags for `<head>`; `origin` makes addresses absolute."""
        title, description = escape(self.full_title), escape(self.description, quote=True)
        tags = [
            f"<title>{title}</title>",
            f'<meta name="description" content="{description}">',
            f'<meta property="og:title" content="{title}">',
            f'<meta property="og:description" content="{description}">',
            f'<meta property="og:type" content="{escape(self.kind)}">',
            f'<meta property="og:site_name" content="{SITE}">',
            '<meta name="twitter:card" content="summary_large_image">'
            if self.image
            else '<meta name="twitter:card" content="summary">',
        ]
        if self.image:
            tags.append(f'<meta property="og:image" content="{escape(origin + self.image, quote=True)}">')
        if self.path:
            address = escape(origin + self.path, quote=True)
            tags += [
                f'<meta property="og:url" content="{address}">',
                f'<link rel="canonical" href="{address}">',
            ]
        if not self.indexed or self.status != 200:
            tags.append('<meta name="robots" content="noindex">')
        if self.json_ld:
            data = json.dumps({"@context": "https://schema.org", **self.json_ld}, ensure_ascii=False)
            tags.append(f'<script type="application/ld+json">{_inert(data)}</script>')
        return "".join(tags)

    def plain_body(self) -> str:
        """The page for readers without scripts, in place of everything else."""
        if not self.body:
            return ""
        return (
            "<noscript><style>body>:not(noscript){display:none}</style>"
            f'<header class="bar"><a class="brand" href="/">{SITE}</a>'
            f'<nav class="you"><a href="{routes.SIGN_IN}">Sign in</a></nav></header>'
            f'<main class="page stack">{self.body}</main></noscript>'
        )


MISSING = Head(
    title="Nothing grows at this address",
    status=404,
    body="<h1>Nothing grows at this address</h1><p>It may be private, moved or never have been. "
    f'If you were sent here, <a href="{routes.SIGN_IN}">sign in</a> and try again.</p>',
)


def head(route: str) -> Callable[[HeadMaker], HeadMaker]:
    """Register what makes the head of a route; it gets the browser session's public id first."""

    def register(maker: HeadMaker) -> HeadMaker:
        _makers[route] = maker
        return maker

    return register


async def head_for(path: str, session: str | None) -> Head:
    """The head of a percent-encoded path for whoever this browser session is.

    Unknown routes and everything the asker may not see give the same 404.
    """
    found = routes.match(path)
    if found is None:
        return MISSING
    route, slugs = found
    maker = _makers.get(route)
    if maker is None:
        return Head(title=SITE, path=path)
    try:
        with moved.listening() as heard:
            made = await maker(session, **slugs)
        elsewhere = moved.at_new_address(path, 1, heard)
        return made if elsewhere is None else Head(title=SITE, status=308, location=elsewhere)
    except MicelioError as refusal:
        if refusal.kind in (Kind.UNAVAILABLE, Kind.CORRUPT, Kind.EXHAUSTED):
            raise
        return MISSING


def _inert(data: str) -> str:
    return data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
