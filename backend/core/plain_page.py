"""Pages without scripts, drawn by doors themselves: the handbook, the API reference, the kinds of problem."""

from collections.abc import Sequence
from html import escape

BRAND = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10.5" fill="currentColor"/>'
    '<path d="M9.2 14.2C12 10.6 15 8.4 21 6.2" fill="none" stroke="var(--paper)" stroke-width="1.7"/>'
    '<circle cx="9.2" cy="14.2" r="3" fill="var(--paper)"/></svg>'
)


def page(title: str, body: str, above: Sequence[tuple[str, str]] = ()) -> str:
    """A whole document around `body`, which is HTML; the title is text. `above` is what stands before it in
    the breadcrumbs, each with its address.
    """
    crumbs = "".join(f'<li><a href="{escape(address)}">{escape(text)}</a></li>' for text, address in above)
    crumbs += f'<li aria-current="page">{escape(title)}</li>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Micelio</title>"
        '<link rel="icon" href="/mark.svg" type="image/svg+xml">'
        '<link rel="stylesheet" href="/tokens.css"><link rel="stylesheet" href="/components.css">'
        '<link rel="stylesheet" href="/code.css"><link rel="stylesheet" href="/prose.css"></head>'
        '<body><a class="skip" href="#main">Skip to content</a>'
        f'<header class="bar"><a class="brand" href="/">{BRAND}<span class="hush">Micelio</span></a>'
        f'<nav class="crumbs" aria-label="Breadcrumb"><ol>{crumbs}</ol></nav>'
        '<nav class="you" aria-label="More"><a href="/docs">Docs</a><a href="/api/v1/docs">API</a></nav>'
        "</header>"
        f'<main id="main" class="page stack">{body}</main></body></html>'
    )
