"""Links that stay in the page, the mark, and times as people read them."""

from typing import Any

import reflex as rx
from reflex_base.utils.imports import ImportVar
from reflex_base.vars import VarData
from reflex_components_core.el.elements.base import BaseHTML
from reflex_components_core.react_router.dom import ReactRouterLink

from micelio_app.ui.scripts import script

Text = str | rx.Var[str]


class Go(rx.Component):
    """Opens pages for scripts outside React, without loading; it shows nothing."""

    library = script("go.js")
    tag = "Go"


class When(rx.Component):
    """A moment: relative up to a month, then a date; local time and UTC on hover."""

    library = script("when.js")
    tag = "When"
    at: rx.Var[str]
    ago: rx.Var[bool]
    clock: rx.Var[bool]
    until: rx.Var[str]


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


def slug(name: str) -> rx.Var[str]:
    """A slug of the page's own address: known before any State is, empty where the page has none."""
    asked = VarData(
        imports={"react-router": [ImportVar(tag="useParams")]}, hooks={"const slugs = useParams()": None}
    )
    return rx.Var(_js_expr=f'(slugs.{name} ?? "")', _var_type=str, _var_data=asked).guess_type()


def _place(part: str) -> rx.Var[str]:
    asked = VarData(
        imports={"react-router": [ImportVar(tag="useLocation")]}, hooks={"const place = useLocation()": None}
    )
    return rx.Var(_js_expr=f"place.{part}", _var_type=str, _var_data=asked).guess_type()


def pathname() -> rx.Var[str]:
    """The path of the page's own address, known before any State is."""
    return _place("pathname")


def query_of() -> rx.Var[str]:
    """The part of the page's own address from `?` to `#`; empty when there is none."""
    return _place("search")


def fragment_of() -> rx.Var[str]:
    """The part of the page's own address from `#` on; empty when there is none."""
    return _place("hash")


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


def when(at: Text, *, ago: bool = False, clock: bool = False, until: Text = "") -> rx.Component:
    """When something happened (RFC 3339): "3 h", "3 h ago", or with `clock` a count that runs.

    The count stands still at `until`, once that is given.
    """
    return When.create(at=at, ago=ago, clock=clock, until=until)


def key(*names: str) -> rx.Component:
    """The keys that do what stands beside them."""
    return rx.fragment(*(rx.el.kbd(name) for name in names))
