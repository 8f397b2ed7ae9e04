"""Branches and tags to choose from, as one select."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import reflex as rx

from backend.projects.refs import RefItem, RefKind
from micelio_app.ui.links import Text

MOST = 150
"""As many of each kind are offered; the others have addresses all the same."""
_TITLES = {RefKind.BRANCH: "Branches", RefKind.TAG: "Tags"}


@dataclass(frozen=True)
class RefRow:
    """A branch or tag to choose."""

    value: str
    label: str


@dataclass(frozen=True)
class RefGroup:
    """The branches, or the tags; `more` of them are not offered."""

    title: str
    rows: list[RefRow]
    more: int


def groups_of(items: Sequence[RefItem], shown: str) -> list[RefGroup]:
    """What can be chosen, branches before tags. A landing or commit that is shown comes before them."""
    branches = {each.name for each in items if each.kind is RefKind.BRANCH}
    groups = []
    for kind, title in _TITLES.items():
        rows = [_row(each, branches) for each in items if each.kind is kind]
        if rows:
            groups.append(RefGroup(title, rows[:MOST], max(0, len(rows) - MOST)))
    if shown not in [row.value for group in groups for row in group.rows]:
        number = shown.removeprefix("@")
        label = f"Landing #{number}" if number != shown and number.isdigit() else shown
        groups.insert(0, RefGroup("Shown now", [RefRow(shown, label)], 0))
    return groups


def _row(item: RefItem, branches: set[str]) -> RefRow:
    if item.default:
        return RefRow("HEAD", item.name)
    # Of a branch and a tag with one name the short name means the branch.
    doubled = item.kind is RefKind.TAG and item.name in branches
    return RefRow(item.full_name if doubled else item.name, item.name)


def picker(groups: rx.Var[list[RefGroup]], chosen: Text, *, on_change: Any) -> rx.Component:
    """The select; a choice goes to the same folder there."""
    return rx.el.select(
        rx.foreach(groups, _group),
        value=chosen,
        on_change=on_change,
        aria_label="Branch or tag",
        class_name="small mono ref-picker",
    )


def _group(group: rx.Var[RefGroup]) -> rx.Component:
    rows = rx.foreach(group.rows, lambda row: rx.el.option(row.label, value=row.value))
    more = rx.cond(group.more > 0, rx.el.option("and ", group.more, " more", disabled=True))
    return rx.el.optgroup(rows, more, label=group.title)
