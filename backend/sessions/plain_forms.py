"""Forms of a session for browsers without scripts: a note, landing it, giving it up.

The page draws them (`drawn`), and a refused one is drawn again with its reason and with what was typed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from backend.core import plain_page
from backend.core.context import Actor, Forge
from backend.core.operations import invoke
from backend.sessions import landing, live, service
from backend.sessions.schemas import SessionDetail


@dataclass(frozen=True)
class PlainForm:
    """One form: what it does, the argument that is typed, and its words."""

    deed: str
    operation: Callable[..., Any]
    argument: str
    title: str
    label: str
    hint: str
    button: str
    tone: str = ""
    required: bool = False
    done: str = ""


FORMS = {
    form.deed: form
    for form in (
        PlainForm(
            "note",
            live.add_session_note,
            "content",
            title="Note",
            label="Note",
            hint="It stands in the conversation, for people and agents.",
            button="Add the note",
            required=True,
            done="The note was added.",
        ),
        PlainForm(
            "land",
            landing.land_session,
            "summary",
            title="Land",
            label="Summary",
            hint="What changed and why; may stay empty.",
            button="Land on the trunk",
            tone=" primary",
            done="Landed, or waiting for review where that is asked for.",
        ),
        PlainForm(
            "abandon",
            service.abandon_session,
            "reason",
            title="Abandon",
            label="Reason",
            hint="It stays readable, nothing of it lands. May stay empty.",
            button="Abandon",
            tone=" danger",
            done="Abandoned. Nothing of it landed; it stays readable.",
        ),
    )
}


def drawn(session: str, form: PlainForm, token: str, *, typed: str = "") -> str:
    """The form as HTML; `token` is the form token of who looks at it."""
    id = f"plain-{form.deed}"
    needed = " required" if form.required else ""
    return (
        f'<form class="stack fields" method="post" action="/_forms/sessions/{escape(session)}/{form.deed}">'
        f'<input type="hidden" name="form_token" value="{escape(token)}">'
        f'<div class="field"><label for="{id}">{form.label}</label>'
        f'<textarea class="input" id="{id}" name="text" rows="3" aria-describedby="{id}-says"{needed}>'
        # The first line break after the tag is not part of what is typed.
        f"\n{escape(typed)}</textarea>"
        f'<p class="hint" id="{id}-says">{form.hint}</p></div>'
        f'<p><button class="btn{form.tone}">{form.button}</button></p></form>'
    )


def done(
    forge: Forge, actor: Actor, session: str, form: PlainForm, fields: Mapping[str, str]
) -> SessionDetail:
    """Do what a form asks for; the session as it is afterwards. Raises what the operation raises."""
    # Browsers send line breaks as CRLF.
    typed = fields.get("text", "").replace("\r\n", "\n")
    invoke(forge, actor, form.operation, {"session": session, form.argument: typed})
    found = invoke(forge, actor, service.get_session, {"session": session})
    assert isinstance(found, SessionDetail)
    return found


def again(session: str, form: PlainForm, fields: Mapping[str, str], problem: str) -> str:
    """The page of a refused form."""
    body = (
        f'<h1 class="title">{form.title}</h1>'
        f'<div class="notice rust" role="alert"><b>Not done.</b><span>{escape(problem)}</span></div>'
        + drawn(session, form, fields.get("form_token", ""), typed=fields.get("text", ""))
    )
    return plain_page.page(form.title, body)
