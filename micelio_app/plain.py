"""Plain parts: what pages are made of for readers without scripts, in the classes of the same style sheets.

Everything is HTML as text. What people wrote is escaped here, so makers of heads pass it as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from urllib.parse import urlencode

from backend.projects.schemas import FileChange, LandingSummary, ProjectSummary, Said
from backend.sessions.schemas import SessionSummary
from micelio_app import routes

DONE = "done"
"""What an address carries after a form was accepted."""


MOST_PATHS = 500
SHOW_CHANGES = '<p class="more"><a class="btn" href="?show=changes">Show the changes line by line</a></p>'


def link(text: str, to: str) -> str:
    """A link."""
    return f'<a href="{escape(to)}">{escape(text)}</a>'


def title(text: str, *, asked: bool = False) -> str:
    """The heading of the page; goals are asked."""
    return f'<h1 class="{"ask goal" if asked else "title"}">{escape(text)}</h1>'


def unseen(text: str) -> str:
    """The heading of a page that shows what it is about by its tabs."""
    return f'<h1 class="hush">{escape(text)}</h1>'


def meta(*parts: str) -> str:
    """The third voice: parts that are HTML already, empty ones left out."""
    return f'<p class="meta">{"".join(f"<span>{part}</span>" for part in parts if part)}</p>'


def section(heading: str, *content: str, count: int | None = None, end: str = "") -> str:
    """A head with a line under it, and what it is the head of."""
    number = f'<span class="count">{count}</span>' if count is not None else ""
    aside = f'<span class="end">{end}</span>' if end else ""
    head = f'<header class="head"><h2>{escape(heading)}</h2>{number}{aside}</header>'
    return f"<section>{head}{''.join(content)}</section>"


def nothing(sentence: str, more: str = "") -> str:
    """What stands where a list would."""
    return f'<div class="empty"><b>{escape(sentence)}</b><p>{escape(more)}</p></div>'


def notice(bold: str, text: str, tone: str = "moss") -> str:
    """Something to be told."""
    return f'<div class="notice {tone}" role="alert"><b>{escape(bold)}</b><span>{escape(text)}</span></div>'


def paragraph(text: str) -> str:
    """What somebody wrote, or nothing."""
    return f'<p class="soft said">{escape(text)}</p>' if text else ""


def further(words: str, cursor: str | None, *, by: str) -> str:
    """The way to the page of a list that begins at a cursor, which is `by` in its address; or nothing."""
    to = f"?{urlencode({by: cursor or ''})}"
    return f'<p class="more"><a class="btn" href="{escape(to)}">{words}</a></p>' if cursor else ""


def rows(items: Iterable[tuple[str, ...]]) -> str:
    """Two-line rows: the state that their dot shows or none, what each is, what is said of it, and forms
    below; all but the first are HTML already.
    """
    drawn = (
        f"<li{'' if state else ' class=plain'}>{_dot(state)}"
        f'<div class="main">{what}<p class="meta">{of}</p>'
        f"{_line(forms)}</div></li>"
        for state, what, of, *forms in items
    )
    return f'<ul class="rows">{"".join(drawn)}</ul>'


def landed(items: Iterable[LandingSummary]) -> str:
    """Landings as rows."""
    return rows(
        (
            "landed",
            link(each.goal, routes.landing(each.organization, each.project, each.position)),
            _spans(
                f"#{each.position}",
                each.agent or each.written_by or each.author,
                f"+{each.additions} \u2212{each.deletions}",
                f"{each.landed_at:%Y-%m-%d}",
            ),
        )
        for each in items
    )


def sessions(items: Iterable[SessionSummary]) -> str:
    """Sessions as rows."""
    return rows(
        (
            _STATES.get(each.status.value, each.status.value),
            link(each.goal, routes.session(each.organization, each.project, each.short_id)),
            _spans(
                each.status.value.replace("_", " "),
                f"{each.agent} for {each.author}" if each.agent else each.author,
                f"{each.started_at:%Y-%m-%d}",
            ),
        )
        for each in items
    )


_STATES = {"active": "running", "pending_review": "waiting", "rejected": "failed"}


def projects(items: Iterable[ProjectSummary], told: Mapping[str, str] | None = None) -> str:
    """Projects as rows; `told` has more to say of some, by their ids."""
    return rows(
        (
            "",
            link(f"{each.organization}/{each.handle}", routes.project(each.organization, each.handle)),
            _spans(
                each.description or "No description",
                "" if each.visibility.value == "public" else each.visibility.value,
                (told or {}).get(each.id, ""),
            ),
        )
        for each in items
    )


def conversation(said: Iterable[Said], decided: Iterable[Said]) -> str:
    """What was said and decided, in the order of time."""
    marked = [(each, "") for each in said] + [(each, "decided") for each in decided]
    marked.sort(key=lambda pair: pair[0].at)
    if not marked:
        return nothing("Nothing was said")
    return (
        '<ol class="stack">'
        + "".join(
            f"<li><b>{escape(each.author)}</b> {meta(kind, f'{each.at:%Y-%m-%d %H:%M} UTC')}"
            f'<p class="said">{escape(each.text)}</p></li>'
            for each, kind in marked
        )
        + "</ol>"
    )


def changed_paths(changes: Sequence[FileChange]) -> str:
    """The paths that changed, and the way to what changed in them."""
    if not changes:
        return nothing("No file changed")
    lines = "".join(
        f"<tr><td><code>{escape(each.path)}</code></td><td>{each.status.value.replace('_', ' ')}</td>"
        f'<td class="end">+{each.additions} \u2212{each.deletions}</td></tr>'
        for each in changes[:MOST_PATHS]
    )
    return f'<table class="table"><tbody>{lines}</tbody></table>{SHOW_CHANGES}'


def crumbs(*walked: tuple[str, str]) -> str:
    """The way to this page, itself last."""
    items = "".join(
        f'<li><a href="{escape(to)}"{_current(place == len(walked))}>{escape(name)}</a></li>'
        for place, (name, to) in enumerate(walked, 1)
    )
    return f"<ol>{items}</ol>"


def around(
    organization: str, project: str, tab: str, *further: tuple[str, str], settings: bool = False
) -> dict[str, str]:
    """What stands above a page of a project: the way to it, and the tabs. `settings` for whoever may
    change them.
    """
    here = routes.project(organization, project)
    there = [
        ("Files", here),
        ("Landings", routes.landings(organization, project)),
        ("Sessions", routes.sessions(organization, project)),
        *([("Settings", routes.settings(organization, project))] if settings else []),
    ]
    return {
        "crumbs": crumbs((organization, routes.owner(organization)), (project, here), *further),
        "tabs": "".join(f'<a href="{escape(to)}"{_current(name == tab)}>{name}</a>' for name, to in there),
    }


def _dot(state: str) -> str:
    return f'<i class="dot" data-state="{escape(state)}"></i>' if state else ""


def _line(forms: Sequence[str]) -> str:
    return f'<div class="line close">{"".join(forms)}</div>' if forms else ""


def _spans(*texts: str) -> str:
    return "".join(f"<span>{escape(text)}</span>" for text in texts if text)


def _current(here: bool) -> str:
    return ' aria-current="page"' if here else ""
