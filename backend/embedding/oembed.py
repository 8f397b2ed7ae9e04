"""oEmbed 1.0: what a page of ours looks like inside a page elsewhere, as JSON or XML.

An answer is `rich`: a quotation without script or style, since nobody may frame our pages.
"""

from html import escape
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from backend.core.context import Actor, Forge
from backend.core.errors import InvalidInput, NotFound
from backend.embedding.feeds import UNWRITABLE
from backend.embedding.pictures import HEIGHT, WIDTH
from backend.embedding.subjects import Subject, find_subject

PREFERRED = (600, 180)
AGE = 300


def embedded(
    forge: Forge, stranger: Actor, origin: str, *, url: str, maxwidth: str = "", maxheight: str = ""
) -> dict[str, Any]:
    """The answer for a page's whole address; NotFound when strangers see nothing there."""
    if not url:
        raise InvalidInput(problem="Say which page is to be embedded: ?url=…")
    parts, here = urlsplit(url), urlsplit(origin)
    if (parts.scheme, parts.netloc.lower()) != (here.scheme, here.netloc.lower()):
        raise NotFound(what="page of this forge at that address")
    subject = find_subject(forge, parts.path.rstrip("/"), stranger)
    widest, highest = _limit("maxwidth", maxwidth), _limit("maxheight", maxheight)
    answer = {
        "type": "rich",
        "version": "1.0",
        "title": subject.title,
        "author_name": subject.author,
        "author_url": origin + "/" + subject.path.split("/")[1],
        "provider_name": "Micelio",
        "provider_url": origin,
        "cache_age": AGE,
        "html": _quotation(subject, origin),
        "width": min(PREFERRED[0], widest),
        "height": min(PREFERRED[1], highest),
    }
    if widest >= WIDTH and highest >= HEIGHT:
        answer |= {
            "thumbnail_url": origin + subject.picture,
            "thumbnail_width": WIDTH,
            "thumbnail_height": HEIGHT,
        }
    return answer


def as_xml(answer: dict[str, Any]) -> bytes:
    """The same answer as XML."""
    root = ElementTree.Element("oembed")
    for name, value in answer.items():
        ElementTree.SubElement(root, name).text = UNWRITABLE.sub("\ufffd", str(value))
    head = b'<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n'
    return head + ElementTree.tostring(root, encoding="utf-8")


def _quotation(subject: Subject, origin: str) -> str:
    said = f"<p>{escape(subject.says)}</p>" if subject.says else ""
    facts = " \u00b7 ".join((subject.address, subject.kind, subject.author, *subject.facts))
    return (
        f'<blockquote cite="{escape(origin + subject.path)}"><p><a href="{escape(origin + subject.path)}">'
        f"{escape(subject.title)}</a></p>{said}<footer>{escape(facts)}</footer></blockquote>"
    )


def _limit(name: str, given: str) -> int:
    if not given:
        return 1 << 20
    if not (given.isascii() and given.isdigit()) or len(given) > 6 or int(given) == 0:
        raise InvalidInput(problem=f"{name} is a number of pixels, not {given!r}.")
    return int(given)
