"""What people type into, press and copy.

`post` really posts: the browser leaves the page, so the server may set an HttpOnly cookie.
`rx.el.form` never does; use that one for handlers of a State.
"""

from collections.abc import Sequence
from typing import Any

import reflex as rx
from reflex_components_core.el.elements.base import BaseHTML

from micelio_app.ui.links import Text, link


class NativeForm(BaseHTML):
    """A form that the browser posts itself."""

    tag = "form"
    action: rx.Var[str]
    method: rx.Var[str]


def post(*content: Any, action: Text, **properties: Any) -> rx.Component:
    """A form posted to one of our own routes."""
    return NativeForm.create(*content, action=action, method="post", **properties)


def get(*content: Any, action: Text, **properties: Any) -> rx.Component:
    """A form whose fields become the query of an address: it works without scripts, and can be sent on."""
    return NativeForm.create(*content, action=action, method="get", class_name="line searching", **properties)


def field(
    label: Text, name: str, *, hint: Text = "", error: Text = "", beside: Any = None, **properties: Any
) -> rx.Component:
    """A label, a text field and its hint; an error replaces the hint and says what is right."""
    kind = properties.pop("kind", "text")
    row = rx.el.label(label, html_for=name, class_name="line")
    if beside is not None:
        row = rx.el.div(row, beside, class_name="line label")
    return rx.el.div(
        row,
        rx.el.input(
            id=name,
            name=name,
            type=kind,
            class_name="input",
            aria_describedby=f"{name}-says",
            aria_invalid=_given(error),
            **properties,
        ),
        _says(name, hint, error),
        class_name="field",
    )


def area(label: Text, name: str, *, hint: Text = "", error: Text = "", **properties: Any) -> rx.Component:
    """A field of several lines that grows with what is typed."""
    return rx.el.div(
        rx.el.label(label, html_for=name),
        rx.el.textarea(id=name, name=name, class_name="input", aria_describedby=f"{name}-says", **properties),
        _says(name, hint, error),
        class_name="field",
    )


def choice(
    label: Text, name: str, offered: Sequence[tuple[str, str]], *, chosen: Text = "", hint: Text = ""
) -> rx.Component:
    """One of a few, as pairs of value and words."""
    options = [rx.el.option(words, value=value) for value, words in offered]
    return rx.el.div(
        rx.el.label(label, html_for=name),
        rx.el.select(*options, id=name, name=name, default_value=chosen, aria_describedby=f"{name}-says"),
        _says(name, hint, ""),
        class_name="field",
    )


def check(label: Any, name: str, *, switch: bool = False, **properties: Any) -> rx.Component:
    """A box to tick, or a switch for what takes effect at once."""
    if switch:
        properties["class_name"] = "switch"
    return rx.el.label(rx.el.input(type="checkbox", name=name, **properties), label, class_name="check")


def send(words: str, done: Text, *, tone: str = "") -> rx.Component:
    """The button that sends a form, and beside it what that did."""
    told = rx.el.span(done, class_name="moss", role="status")
    return rx.el.p(button(words, type="submit", tone=tone), told, class_name="line")


def refusal(error: rx.Var[str]) -> rx.Component:
    """Why something was refused, where no field says it."""
    return rx.cond(error != "", rx.el.p(error, class_name="error", role="alert"))


def button(
    *content: Any, tone: str = "", small: bool = False, block: bool = False, **properties: Any
) -> rx.Component:
    """A button; tone is primary (one in a view), danger, quiet or none."""
    properties.setdefault("type", "button")
    return rx.el.button(*content, class_name=_button_class(tone, small, block), **properties)


def button_link(
    *content: Any, to: Text, tone: str = "", small: bool = False, **properties: Any
) -> rx.Component:
    """A link that looks like a button, for what leads somewhere."""
    return link(*content, to=to, class_name=_button_class(tone, small, False), **properties)


def menu(word: str, *content: Any) -> rx.Component:
    """A small button that unfolds links and buttons; Escape or a click elsewhere folds it."""
    return rx.el.details(
        rx.el.summary(word, class_name="btn small"),
        rx.el.div(*content, class_name="sheet menu"),
        class_name="unfolds",
    )


def copy_box(text: Text, address: rx.Var[str] | None = None) -> rx.Component:
    """A command and the button that copies it; an address at its end breaks after slashes only."""
    words = [text] if address is None else [text, breaking(address)]
    return rx.el.div(
        rx.el.code(*words),
        rx.el.button("Copy", type="button", custom_attrs={"data-copy": True}),
        class_name="copy",
    )


def breaking(address: rx.Var[str]) -> rx.Component:
    """An address that goes on in another line after a slash only, as long as that is enough."""
    return rx.foreach(address.split("/"), _segment)


def copy_lines(*lines: Text) -> rx.Component:
    """Several commands and the button that copies them all."""
    words = [part for line in lines for part in (line, "\n")][:-1]
    return rx.el.div(
        rx.el.code(*words, class_name="lines"),
        rx.el.button("Copy", type="button", custom_attrs={"data-copy": True}),
        class_name="copy",
    )


def copied_id(id: rx.Var[str], what: str, *, shown: Any = None) -> rx.Component:
    """The beginning of an id, or what else is `shown` of it, and the button that copies the whole."""
    return rx.el.span(
        rx.el.code(id[:12] if shown is None else shown, title=id),
        rx.el.button(
            "Copy",
            type="button",
            class_name="plain copy-id",
            aria_label=f"Copy the {what}",
            custom_attrs={"data-copy": id},
        ),
        class_name="copied",
    )


def _button_class(tone: str, small: bool, block: bool) -> str:
    return " ".join(
        ["btn", *([tone] if tone else []), *(["small"] if small else []), *(["block"] if block else [])]
    )


def _segment(part: rx.Var[str], index: rx.Var[int]) -> rx.Component:
    return rx.fragment(rx.cond(index > 0, "/", ""), rx.cond(index > 2, rx.el.wbr()), part)


def _says(name: str, hint: Text, error: Text) -> rx.Component:
    told = rx.el.p(error, id=f"{name}-says", class_name="error", role="alert")
    hinted = rx.el.p(hint, id=f"{name}-says", class_name="hint")
    if isinstance(error, str):
        return told if error else hinted if not isinstance(hint, str) or hint else rx.fragment()
    return rx.cond(error != "", told, hinted)


def _given(error: Text) -> Any:
    return ("true" if error else "false") if isinstance(error, str) else rx.cond(error != "", "true", "false")
