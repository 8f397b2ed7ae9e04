"""Server-rendered HTML inside a page: files, diffs, prose. It never passes through a State.

`live` names event kinds (comma-separated) after which the fragment is fetched again; what is
shown stays until the new one is there.
"""

import reflex as rx

from micelio_app.ui.links import Text
from micelio_app.ui.scripts import script


class HtmlFragment(rx.Component):
    """An element whose content is fetched from one of our own routes."""

    library = script("fragment.js")
    tag = "HtmlFragment"
    src: rx.Var[str]
    live: rx.Var[str]
    label: rx.Var[str]


def fragment(src: Text, *, label: Text = "", live: str = "", class_name: Text = "") -> rx.Component:
    """The HTML at `src`, with grey bars while it is awaited and a way on when it fails.

    An empty `src` shows nothing yet. `label` names what is loading to a screen reader.
    """
    return HtmlFragment.create(src=src, label=label, live=live, class_name=class_name)


class FileSections(rx.Component):
    """Changed files whose lines are fetched when the reader comes near."""

    library = script("sections.js")
    tag = "FileSections"
    list: rx.Var[str]
    lines: rx.Var[str]


def sections(of: Text, *, lines: Text) -> rx.Component:
    """A difference too large for one fragment.

    `of` answers JSON with the list `changes`; `lines` has a query already and answers the HTML of one
    file for `&path=`.
    """
    return FileSections.create(list=of, lines=lines)
