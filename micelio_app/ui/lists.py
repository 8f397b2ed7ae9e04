"""Lists and what stands in for them: rows, landings on a thread, facts, notices, nothing yet."""

from typing import Any

import reflex as rx

from micelio_app.ui.links import Text, mark


def section(
    title: Text, *content: Any, count: Any = None, end: Any = None, **properties: Any
) -> rx.Component:
    """A head with a line under it and what belongs to it."""
    head = rx.el.header(
        rx.el.h2(title),
        rx.el.span(count, class_name="count") if count is not None else rx.fragment(),
        rx.el.span(end, class_name="end") if end is not None else rx.fragment(),
        class_name="head",
    )
    return rx.el.section(head, *content, **properties)


def rows(*items: Any) -> rx.Component:
    """A list of `row`s, or of one `rx.foreach` of them."""
    return rx.el.ul(*items, class_name="rows")


def row(main: Any, *, dot: Any = None, meta: Any = (), side: Any = ()) -> rx.Component:
    """One row: a circle, what it is with a line of meta under it, and numbers at the end."""
    return rx.el.li(
        dot if dot is not None else rx.fragment(),
        rx.el.div(main, rx.el.p(*meta, class_name="meta") if meta else rx.fragment(), class_name="main"),
        rx.el.div(*side, class_name="side") if side else rx.fragment(),
        class_name="" if dot is not None else "plain",
    )


def landed(*items: Any, few: bool = False) -> rx.Component:
    """Landings on their thread, newest first: `landed_row`s or one `rx.foreach`."""
    return rx.el.ol(*items, class_name="timeline landed few" if few else "timeline landed")


def landed_row(at: Any, by: Text, *what: Any) -> rx.Component:
    """One landing: when, a node for its author (ai, assisted, human), the goal and what follows it."""
    node = f"node by-{by}" if isinstance(by, str) else rx.Var.create("node by-") + by
    return rx.el.li(
        rx.el.span(at, class_name="at num"),
        rx.el.i(class_name=node),
        rx.el.div(*what, class_name="what"),
        class_name="event",
    )


def facts(*pairs: tuple[Text, Any], down: bool = False) -> rx.Component:
    """Named numbers: a strip, or a list downwards for asides. Skip a pair by passing None."""
    shown = [rx.el.div(rx.el.dt(name), rx.el.dd(value)) for name, value in filter(None, pairs)]
    return rx.el.dl(*shown, class_name="facts down" if down else "facts")


def empty(sentence: Text, *content: Any) -> rx.Component:
    """Nothing here yet: what would be here, and the one command or link that fills it."""
    return rx.el.div(rx.el.b(sentence), *content, class_name="empty")


def notice(title: Any, *content: Any, tone: str = "", end: Any = None) -> rx.Component:
    """What is, then what to do; tone is moss, rust, ochre or none. Rust interrupts a screen reader."""
    return rx.el.div(
        rx.el.b(title),
        rx.el.span(*content),
        rx.el.span(end, class_name="end") if end is not None else rx.fragment(),
        class_name=f"notice {tone}".rstrip(),
        role="alert" if tone == "rust" else "status",
    )


def opening(title: Text, under: Any, *, live: bool = False) -> rx.Component:
    """The mark, a title and what stands under it: a page with one thing to do, or to be told (`live`)."""
    told = {"role": "status"} if live else {}
    return rx.el.div(
        rx.el.span(mark(), class_name="large-mark"),
        rx.el.h1(title, class_name="title"),
        under if isinstance(under, rx.Component) else rx.el.p(under, class_name="soft"),
        class_name="stack tight",
        **told,
    )


def waiting(*widths: int) -> rx.Component:
    """Grey bars in the shape of what is to come, widths in percent; invisible for the first 300 ms."""
    bars = [rx.el.i(class_name="wait", style={"--w": f"{width}%"}) for width in widths or (72, 94, 41)]
    return rx.el.div(*bars, class_name="stack tight late", role="status", aria_label="Loading")
