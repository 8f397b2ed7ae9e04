"""Files from somebody's machine as the first landing of a new project, sent by their browser."""

from typing import Any

import reflex as rx

from micelio_app.ui.links import Text
from micelio_app.ui.scripts import script


class FirstFiles(rx.Component):
    """Where files and folders are chosen or dropped; what becomes of them is in `uploading.js`."""

    library = script("uploading.js")
    tag = "FirstFiles"
    into: rx.Var[str]
    goal: rx.Var[str]
    on_choose: rx.EventHandler[rx.event.passthrough_event_spec(int)]
    on_landed: rx.EventHandler[rx.event.passthrough_event_spec(str)]


def first_files(into: Text, *, goal: Text, on_choose: Any, on_landed: Any) -> rx.Component:
    """Choose files now; they are sent once `into` says which project they begin, and land with `goal`.

    `on_choose` comes with how many there are, -1 when they are too many; `on_landed` with the address.
    """
    return FirstFiles.create(into=into, goal=goal, on_choose=on_choose, on_landed=on_landed)
