"""Forms for browsers without scripts that stand for one operation each: how they are drawn and what they do.

A refused one is drawn again with its reason and with what was typed, passwords left out. Who may do what
is decided by the operations alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from backend.core import plain_page
from backend.core.context import Actor, Forge
from backend.core.operations import invoke

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Field:
    """One argument of the operation: `kind` is that of an input, or area, choice, check or hidden."""

    name: str
    label: str = ""
    kind: str = "text"
    hint: str = ""
    purpose: str = "off"
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SettingsForm:
    """What a form does, what is filled in, its words, and where one is afterwards.

    `given` makes the operation's arguments of what was sent; `page` an address of who sent it, what was
    sent and what came of it. What is shown once, `shown` writes as HTML instead.
    """

    deed: str
    operation: Callable[..., Any]
    fields: tuple[Field, ...]
    title: str
    button: str
    done: str
    page: Callable[[Actor, Fields, Any], str]
    tone: str = ""
    given: Callable[[Fields], dict[str, Any]] = dict
    shown: Callable[[Any], str] | None = None


@dataclass(frozen=True)
class Done:
    """What an accepted form leads to: an address, or a page that is shown once."""

    address: str = ""
    page: str = ""


def drawn(
    form: SettingsForm,
    token: str,
    *,
    values: Fields | None = None,
    leave_out: tuple[str, ...] = (),
    button: str = "",
) -> str:
    """A form as HTML with these values filled in; `token` is the form token of who looks at it.

    Where nothing is typed it is one line. `button` says it in other words.
    """
    filled = values or {}
    fields = [each for each in form.fields if each.name not in leave_out]
    # The same form may stand on a page for each of many people.
    id = "-".join(
        ("plain", form.deed, *(filled.get(each.name, "") for each in fields if each.kind == "hidden"))
    )
    short = all(each.kind in ("hidden", "choice") for each in fields)
    body = "".join(_field(each, filled.get(each.name, ""), f"{id}-{each.name}", short) for each in fields)
    size = f'<button class="btn{form.tone}{" small" * short}">{escape(button or form.button)}</button>'
    look = "line close" if short else "stack fields"
    return (
        f'<form class="{look}" method="post" action="/_forms/settings/{form.deed}">'
        f'<input type="hidden" name="form_token" value="{escape(token)}">'
        f"{body}{size if short else f'<p>{size}</p>'}</form>"
    )


def done(forge: Forge, actor: Actor, form: SettingsForm, fields: Fields) -> Done:
    """Do what a form asks for. Raises what the operation raises."""
    # Browsers send line breaks as CRLF.
    names = [each.name for each in form.fields if each.name in fields]
    typed = {name: fields[name].replace("\r\n", "\n").strip() for name in names}
    result = invoke(forge, actor, form.operation, form.given(typed))
    if form.shown is not None:
        return Done(page=plain_page.page(form.title, form.shown(result)))
    address = form.page(actor, typed, result)
    return Done(f"{address}?done={form.deed}" if form.done else address)


def again(form: SettingsForm, fields: Fields, problem: str) -> str:
    """The page of a refused form."""
    kept = {each.name: fields.get(each.name, "") for each in form.fields if each.kind != "password"}
    body = (
        f'<h1 class="title">{escape(form.title)}</h1>'
        f'<div class="notice rust" role="alert"><b>Not done.</b><span>{escape(problem)}</span></div>'
        + drawn(form, fields.get("form_token", ""), values=kept)
    )
    return plain_page.page(form.title, body)


def _field(field: Field, value: str, id: str, short: bool) -> str:
    name, id, text = field.name, escape(id), escape(value)
    if field.kind == "hidden":
        return f'<input type="hidden" name="{name}" value="{text}">'
    if field.kind == "check":
        return (
            f'<label class="check"><input type="checkbox" name="{name}" value="on"{" checked" * bool(value)}>'
            f"{escape(field.label)}</label>"
        )
    more = f' aria-describedby="{id}-says"' * bool(field.hint) + " required" * field.required
    if field.kind == "choice":
        options = "".join(
            f'<option value="{each}"{" selected" * (each == value)}>{words}</option>'
            for each, words in field.choices
        )
        size = ' class="small"' * short
        box = f'<select id="{id}" name="{name}"{size}{more}>{options}</select>'
    elif field.kind == "area":
        # The first line break after the tag is not part of what is typed.
        box = f'<textarea class="input" id="{id}" name="{name}" rows="3"{more}>\n{text}</textarea>'
    else:
        box = (
            f'<input class="input" id="{id}" name="{name}" type="{field.kind}" value="{text}" '
            f'autocomplete="{field.purpose}"{more}>'
        )
    if short:
        return f'<label class="hush" for="{id}">{escape(field.label)}</label>{box}'
    hint = f'<p class="hint" id="{id}-says">{escape(field.hint)}</p>' if field.hint else ""
    return f'<div class="field"><label for="{id}">{escape(field.label)}</label>{box}{hint}</div>'
