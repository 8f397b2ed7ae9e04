"""Links that stay in the page, the mark, and times as people read them."""

from typing import Any

import reflex as rx
from reflex_components_core.el.elements.base import BaseHTML
from reflex_components_core.react_router.dom import ReactRouterLink

Text = str | rx.Var[str]

_when = rx.asset("when.js", shared=True)


class When(rx.Component):
    """A moment: relative up to a month, then a date; local time and UTC on hover."""

    library = str(_when.importable_path)
    tag = "When"
    at: rx.Var[str]
    ago: rx.Var[bool]
    clock: rx.Var[bool]


class NativeLink(BaseHTML):
    """An anchor that the browser follows itself; `rx.el.a` is a link of the router."""

    tag = "a"
    href: rx.Var[str]


def link(*content: Any, to: Text, **properties: Any) -> rx.Component:
    """A link to one of our pages, opened without loading the document again."""
    return ReactRouterLink.create(*content, to=to, **properties)


def outside(*content: Any, href: Text, **properties: Any) -> rx.Component:
    """A link that loads: to a document, another site, or a page that changes who is signed in."""
    return NativeLink.create(*content, href=href, **properties)


def mark() -> rx.Component:
    """The circle with its one thread, in the colour of the text."""
    stroke = {"fill": "none", "stroke": "var(--paper)", "strokeWidth": "1.7"}
    return rx.el.svg(
        rx.el.svg.circle(cx="12", cy="12", r="10.5", custom_attrs={"fill": "currentColor"}),
        rx.el.svg.path(d="M9.2 14.2C12 10.6 15 8.4 21 6.2", custom_attrs=stroke),
        rx.el.svg.circle(cx="9.2", cy="14.2", r="3", custom_attrs={"fill": "var(--paper)"}),
        view_box="0 0 24 24",
        aria_hidden="true",
    )


def when(at: Text, *, ago: bool = False, clock: bool = False) -> rx.Component:
    """When something happened (RFC 3339): "3 h", "3 h ago", or with `clock` a count that runs."""
    return When.create(at=at, ago=ago, clock=clock)


def key(*names: str) -> rx.Component:
    """The keys that do what stands beside them."""
    return rx.fragment(*(rx.el.kbd(name) for name in names))
