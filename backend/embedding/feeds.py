"""Feeds: what landed in a project, and what a person or an organization landed, as Atom (RFC 4287).

Ids are made of ids that never change, so a project that moves keeps its readers, and a landing is one
entry in every feed that has it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from sqlmodel import col, select

from backend.accounts.models import Account
from backend.core.context import Actor, Context, Forge
from backend.core.operations import count
from backend.organizations import access as organization_access
from backend.organizations.models import Organization
from backend.projects import access
from backend.projects.models import Landing, Project
from backend.sessions.models import Status, WorkSession

ATOM = "http://www.w3.org/2005/Atom"
ENTRIES = 50
UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write."""


@dataclass(frozen=True)
class Entry:
    """One landing as a feed tells it."""

    id: str
    path: str
    title: str
    summary: str
    author: str
    author_path: str
    at: datetime


def project_feed(forge: Forge, stranger: Actor, origin: str, organization: str, project: str) -> bytes:
    """The newest landings of a project that strangers see; NotFound otherwise."""
    count(forge, stranger)
    with Context(forge, stranger).transaction(write=False) as ctx:
        found, owner = access.project(ctx, organization, project)
        rows = ctx.db.exec(
            select(Landing)
            .where(Landing.project == found.id)
            .order_by(col(Landing.position).desc())
            .limit(ENTRIES)
        ).all()
        path = f"/{owner.handle}/{found.handle}"
        entries = [
            Entry(
                id=_landing_id(found.id, row.position),
                path=f"{path}/landings/{row.position}",
                title=row.goal,
                summary=row.summary or row.goal,
                author=_who(row.agent, row.written_by or row.author),
                author_path=f"/{row.author}" if row.author and not row.written_by else "",
                at=row.at,
            )
            for row in rows
        ]
        told = (found.id, f"{owner.handle}/{found.handle}: landings", found.description, found.created_at)
    return _feed(origin, path, f"{path}/landings.atom", *told, entries)


def owner_feed(forge: Forge, stranger: Actor, origin: str, handle: str) -> bytes:
    """What somebody landed in projects that strangers see, newest first; of an organization what landed
    in its projects. NotFound when nobody has the handle.
    """
    count(forge, stranger)
    with Context(forge, stranger).transaction(write=False) as ctx:
        owner, _ = organization_access.organization(ctx, handle, at_least=None)
        account = ctx.db.exec(select(Account).where(Account.handle == owner.handle)).first()
        whose = col(Project.organization_id) == owner.id
        if owner.personal and account is not None:
            whose = col(WorkSession.author_id) == account.id
        rows = ctx.db.exec(
            select(WorkSession, Project, Organization)
            .join(Project, col(Project.id) == col(WorkSession.project_id))
            .join(Organization, col(Organization.id) == col(Project.organization_id))
            .where(whose, access.visible(ctx), WorkSession.status == Status.LANDED)
            .where(col(WorkSession.landed_position).is_not(None))
            .order_by(col(WorkSession.id).desc())
            .limit(ENTRIES)
        ).all()
        entries = [_of_session(*row) for row in rows]
        told = (owner.id, f"{owner.name or owner.handle}: landings", owner.description, owner.created_at)
        path = f"/{owner.handle}"
    entries.sort(key=lambda entry: entry.at, reverse=True)
    return _feed(origin, path, f"{path}.atom", *told, entries)


def _of_session(session: WorkSession, project: Project, owner: Organization) -> Entry:
    position = session.landed_position or 0
    address = f"/{owner.handle}/{project.handle}"
    return Entry(
        id=_landing_id(project.id, position),
        path=f"{address}/landings/{position}",
        title=f"{owner.handle}/{project.handle}: {session.goal}",
        summary=session.summary or session.goal,
        author=_who(session.agent, session.author_name or session.author_handle),
        author_path=f"/{session.author_handle}" if session.author_handle else "",
        at=session.ended_at or session.updated_at,
    )


def _feed(
    origin: str,
    path: str,
    own: str,
    id: str,
    title: str,
    says: str,
    begun: datetime,
    entries: Iterable[Entry],
) -> bytes:
    entries = list(entries)
    feed = Element("feed", {"xmlns": ATOM, "xml:lang": "en"})
    _text(feed, "id", f"urn:uuid:{id}")
    _text(feed, "title", title)
    if says:
        _text(feed, "subtitle", says)
    _text(feed, "updated", _time(max((entry.at for entry in entries), default=begun)))
    SubElement(feed, "link", {"rel": "self", "type": "application/atom+xml", "href": origin + own})
    SubElement(feed, "link", {"rel": "alternate", "type": "text/html", "href": origin + path})
    _person(feed, path.split("/")[1], origin + "/" + path.split("/")[1])
    SubElement(feed, "generator", {"uri": origin}).text = "Micelio"
    for entry in entries:
        _entry(SubElement(feed, "entry"), entry, origin)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(feed, encoding="utf-8")


def _entry(node: Element, entry: Entry, origin: str) -> None:
    _text(node, "id", entry.id)
    _text(node, "title", entry.title)
    _text(node, "published", _time(entry.at))
    _text(node, "updated", _time(entry.at))
    SubElement(node, "link", {"rel": "alternate", "type": "text/html", "href": origin + entry.path})
    _person(node, entry.author or "nobody", origin + entry.author_path if entry.author_path else "")
    _text(node, "summary", entry.summary)


def _person(node: Element, name: str, address: str) -> None:
    author = SubElement(node, "author")
    _text(author, "name", name)
    if address:
        _text(author, "uri", address)


def _text(node: Element, name: str, text: str) -> None:
    SubElement(node, name).text = UNWRITABLE.sub("\ufffd", text)


def _time(moment: datetime) -> str:
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _landing_id(project: str, position: int) -> str:
    return f"urn:uuid:{uuid5(UUID(project), f'landing {position}')}"


def _who(agent: str, person: str) -> str:
    return f"{agent} for {person}" if agent else person
