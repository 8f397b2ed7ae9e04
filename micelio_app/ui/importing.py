"""The stages of an import while it runs, told by its own stream of events."""

from typing import Any

import reflex as rx

from micelio_app.ui.links import Text
from micelio_app.ui.scripts import script


class ImportStages(rx.Component):
    """Five stages on a thread; `on_end` comes once, when the import is over."""

    library = script("importing.js")
    tag = "ImportStages"
    import_id: rx.Var[str]
    on_end: rx.EventHandler[rx.event.passthrough_event_spec(str)]


def stages(import_id: Text, *, on_end: Any) -> rx.Component:
    """The stages of one import."""
    return ImportStages.create(import_id=import_id, on_end=on_end)
