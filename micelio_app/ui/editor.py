"""The form in which files of a project are changed; what is typed never passes through a State."""

from typing import Any

import reflex as rx

from micelio_app.ui.scripts import script


class Editor(rx.Component):
    """One change: `how` is edit, new, upload, rename or delete.

    `source` answers the file as JSON; `sessions` are those it may be saved to, as `id` and `goal`,
    `session` the chosen one. A new one stands on `position`. `lands` says whether it may land at once.
    """

    library = script("editor.js")
    tag = "Editor"
    how: rx.Var[str]
    organization: rx.Var[str]
    project: rx.Var[str]
    path: rx.Var[str]
    folder: rx.Var[str]
    source: rx.Var[str]
    session: rx.Var[str]
    sessions: rx.Var[list[Any]]
    position: rx.Var[int]
    lands: rx.Var[bool]
    back: rx.Var[str]


editor = Editor.create
