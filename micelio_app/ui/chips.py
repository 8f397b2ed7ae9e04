"""Small marks: circles for states, authors and people, tags, counts of lines, meters."""

from typing import Any

import reflex as rx

from micelio_app.ui.links import Text

Number = int | rx.Var[int]
MINUS = "\N{MINUS SIGN}"

STATE_WORDS = {
    "running": "Running",
    "waiting": "Waiting",
    "landed": "Landed",
    "passed": "Passed",
    "failed": "Failed",
    "abandoned": "Abandoned",
    "draft": "Draft",
}
STATUS_DOTS = {
    "active": "running",
    "pending_review": "waiting",
    "landed": "landed",
    "rejected": "failed",
    "abandoned": "abandoned",
}
"""The dot of each status a session can have."""

STATUS_WORDS = {
    "active": "Running",
    "pending_review": "Waiting for review",
    "rejected": "Rejected",
    "landed": "Landed",
    "abandoned": "Abandoned",
}

BY_WORDS = {"ai": "AI-generated", "assisted": "AI-assisted", "human": "Human"}


def dot(state: Text) -> rx.Component:
    """The circle of a state alone; a word must stand near it."""
    return rx.el.i(class_name="dot", data_state=state)


def status_dot(status: Text) -> rx.Component:
    """The circle of a session's status (active, pending_review, landed, rejected, abandoned)."""
    if isinstance(status, str):
        return dot(STATUS_DOTS.get(status, "draft"))
    return dot(rx.match(status, *STATUS_DOTS.items(), "draft"))


def state(of: Text, *words: Any, class_name: str = "state") -> rx.Component:
    """A state as circle and word."""
    if not words:
        words = (STATE_WORDS[of] if isinstance(of, str) else rx.match(of, *STATE_WORDS.items(), "Draft"),)
    return rx.el.span(dot(of), *words, class_name=class_name)


def status_word(of: Text) -> Any:
    """What a session's status is called."""
    return STATUS_WORDS.get(of, of) if isinstance(of, str) else rx.match(of, *STATUS_WORDS.items(), "Draft")


def status(of: Text) -> rx.Component:
    """A session's status as circle and word, in moss while it runs and once it has landed."""
    tones = {
        "active": "state moss",
        "landed": "state moss",
        "pending_review": "state ochre",
        "rejected": "state rust",
    }
    tone = tones.get(of, "state") if isinstance(of, str) else rx.match(of, *tones.items(), "state")
    return rx.el.span(status_dot(of), rx.el.b(status_word(of)), class_name=tone)


def by(author: Text) -> rx.Component:
    """Who made it: full disc, half disc or ring, and the words. `author` is ai, assisted or human."""
    word = BY_WORDS[author] if isinstance(author, str) else rx.match(author, *BY_WORDS.items(), "Human")
    return rx.el.span(rx.el.i(class_name="dot", data_by=author), word, class_name="by")


def tag(text: Text, tone: str = "") -> rx.Component:
    """A fact in a thin frame; tone is moss, rust, ochre, slate or none."""
    return rx.el.span(text, class_name=f"tag {tone}".rstrip())


def avatar(handle: rx.Var[str] | str, *, size: str = "") -> rx.Component:
    """The disc of a person or an organization, drawn from the handle; size is large, huge or none.

    The name stands beside it or in a label.
    """
    name = f"avatar {size}".rstrip()
    picture = rx.el.img(
        src=rx.Var.create("/avatars/") + handle + ".svg", alt="", class_name=name, loading="lazy"
    )
    return rx.cond(handle != "", picture, rx.el.span(class_name=name, aria_hidden="true"))


def person(handle: rx.Var[str] | str) -> rx.Component:
    """A person's disc and handle."""
    return rx.el.span(avatar(handle), handle, class_name="who")


def agent(name: rx.Var[str] | str, model: Text = "") -> rx.Component:
    """An agent's ring, its tool's name, then the model."""
    ring = rx.el.span(name[:2], class_name="avatar agent", aria_hidden="true")
    shown = rx.el.span(ring, name, class_name="who agent-name")
    return rx.el.span(shown, rx.el.span(model, class_name="soft"), class_name="line close")


def stat(added: Number, removed: Number, *, loose: bool = False, bar: bool = False) -> rx.Component:
    """Lines added and removed; in columns, or loose inside a sentence. A zero shows nothing.

    The bar splits its width by the two counts.
    """
    share = rx.Var.create(added).to(int) / rx.cond(added + removed > 0, added + removed, 1)
    parts = [
        rx.el.b("+", added, class_name="plus", data_n=rx.Var.create(added).to_string()),
        rx.el.b(MINUS, removed, class_name="minus", data_n=rx.Var.create(removed).to_string()),
    ]
    if bar:
        parts.append(rx.el.i(style={"--a": share, "--d": 1 - share}))
    return rx.el.span(*parts, class_name="stat loose" if loose else "stat")


def meter(at: float | rx.Var[float], *, steps: Number | None = None) -> rx.Component:
    """How far something is, 0 to 1; with `steps` in that many pieces."""
    style = {"--at": at} if steps is None else {"--at": at, "--of": steps}
    return rx.el.i(class_name="meter" if steps is None else "meter steps", style=style)


def mix(ai: Number, assisted: Number, human: Number) -> rx.Component:
    """Who wrote the landed lines, as one bar, in percent."""
    label = rx.Var.create(f"{ai} % AI-generated, {assisted} % AI-assisted, {human} % Human")
    return rx.el.div(
        rx.el.i(class_name="ai", style={"flex": ai}),
        rx.el.i(class_name="assisted", style={"flex": assisted}),
        rx.el.i(class_name="human", style={"flex": human}),
        class_name="mix",
        role="img",
        aria_label=label,
    )
