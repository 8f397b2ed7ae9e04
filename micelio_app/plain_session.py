"""A session for readers without scripts: what it wants, what was said, what it changes, and its forms."""

import json
from html import escape
from typing import Any

from backend.sessions.plain_forms import FORMS
from backend.sessions.plain_forms import drawn as form_of
from backend.sessions.schemas import EventPage, SessionDetail
from micelio_app import plain, routes

LONGEST_BODY = 2000
"""Letters of one event that are shown."""


def readable(found: SessionDetail, *, token: str, done: str = "", changes: str = "", events: str = "") -> str:
    """The whole page. `token` is the asker's for forms; `changes` and `events` are HTML when asked for."""
    told = plain.notice(FORMS[done].done, "") if done in FORMS else ""
    return (
        told
        + _opening(found)
        + _plan(found)
        + plain.section(
            "Conversation",
            plain.conversation(found.conversation, found.decisions),
            end=plain.link(f"All {found.events} events", "?show=events"),
        )
        + (plain.section("Events", events) if events else "")
        + plain.section("Changes", changes or plain.changed_paths(found.changes), count=found.files)
        + _forms(found, token)
    )


def events(page: EventPage) -> str:
    """Events in order, each with what it says; and the way to those after them."""
    rows = "".join(
        f'<tr><td class="num">{each.sequence}</td><td>{escape(each.kind.replace("_", " "))}</td>'
        f'<td><pre class="said">{escape(_said(each.body))}</pre></td></tr>'
        for each in page.items
    )
    more = f'<p class="more"><a class="btn" href="?show=events&amp;after={page.next}">Later events</a></p>'
    return f'<table class="table"><tbody>{rows}</tbody></table>{more if page.next else ""}'


def _opening(found: SessionDetail) -> str:
    landed = found.landed_position
    facts = plain.meta(
        found.status.value.replace("_", " "),
        escape(f"{found.agent} for {found.author}" if found.agent else found.author),
        f"{found.started_at:%Y-%m-%d %H:%M} UTC",
        f"from landing #{found.base_position}",
        plain.link(f"landed as #{landed}", routes.landing(found.organization, found.project, landed))
        if landed
        else "",
    )
    title = plain.title(found.goal, asked=True)
    return f'<header class="stack tight">{facts}{title}{plain.paragraph(found.summary)}</header>'


def _plan(found: SessionDetail) -> str:
    if not found.plan:
        return ""
    steps = "".join(
        f'<li>{escape(step.text)} <span class="meta">{escape(step.state)}</span></li>' for step in found.plan
    )
    return plain.section("Plan", f'<ol class="stack close bullets">{steps}</ol>')


def _forms(found: SessionDetail, token: str) -> str:
    allowed = [form for form in FORMS.values() if form.deed in found.may] if token else []
    return "".join(plain.section(form.title, form_of(found.id, form, token)) for form in allowed)


def _said(body: dict[str, Any]) -> str:
    text = next((body[key] for key in ("text", "message", "content") if isinstance(body.get(key), str)), None)
    said = text if text is not None else json.dumps(body, ensure_ascii=False, indent=1)
    return said if len(said) <= LONGEST_BODY else said[:LONGEST_BODY] + "\u2026"
