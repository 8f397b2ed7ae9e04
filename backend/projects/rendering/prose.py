"""Prose: Markdown as GitHub reads it, cleaned of everything that could act.

The order is the safety: Markdown becomes HTML, and all of that HTML, the author's own included,
then passes one allow-list that has no script, style, frame, form or handler in it. Addresses are
rewritten inside that last step, so nothing can slip in behind it. Ids begin with `md-` and cannot
stand in for the page's own.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any
from urllib.parse import unquote_to_bytes

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from mdit_py_plugins.gfm import gfm_plugin

from backend.projects.rendering import markup
from backend.projects.rendering.highlighting import Highlighter, lexer_called
from backend.projects.rendering.places import Place
from vcs.paths import quote, unquote

LARGEST = 256 * 1024
LARGEST_HTML = 4 << 20
DEEPEST = 100
MOST_OPEN_STYLES = 20
MOST_OPEN_BRACKETS = 2_000
ID_PREFIX = "md-"
MARKDOWN = (".md", ".markdown", ".mdown", ".mkd")

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_SCHEMES = {"http", "https", "mailto"}
_IGNORED_BY_BROWSERS = re.compile(r"[\t\n\r]|^[\x00-\x20]+|[\x00-\x20]+$")
# What a browser closes by itself, or never opens, does not nest.
_NESTING = re.compile(
    r"<(/?)(?!(?:a|area|base|br|col|dd|dt|embed|hr|img|input|li|link|meta|option|p|source|tbody|td|tfoot|th|thead"
    r"|tr|track|wbr)\b)([a-z][a-z0-9]*)",
    re.IGNORECASE,
)
_STYLES = {"b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
_ENDLESS_WORD = re.compile(r"\S{1000}")
_LINE = re.compile(r"L\d+(-L?\d+)?")
_TAGS = set(
    """
    a abbr b blockquote br caption cite code dd del details dfn div dl dt em figcaption figure h1 h2
    h3 h4 h5 h6 hr i img input ins kbd li mark ol p pre q rp rt ruby s samp section small span strong
    sub summary sup table tbody td tfoot th thead tr tt u ul var wbr
    """.split()  # noqa: SIM905
)
_REMOVED_WHOLE = set("script style iframe object embed template noscript svg math title textarea".split())  # noqa: SIM905
_CELL = {"align", "colspan", "rowspan", "style"}
_ATTRIBUTES = {
    "*": {"id", "dir", "lang", "title"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "details": {"open"},
    "input": {"checked"},
    "td": _CELL,
    "th": _CELL,
    **{tag: {"align"} for tag in ("div", "p", "h1", "h2", "h3", "h4", "h5", "h6", "table")},
}
_FORCED = {"input": {"type": "checkbox", "disabled": ""}, "img": {"loading": "lazy"}}
_COLOURS = set(
    """
    k kn kd kr kc ow s s1 s2 sa sb se sh sx si dl mi mf mh mo il m no nf fm nc nt nb bp kt ne na nd sr
    nl gh c c1 cm ch sd cp gp o err
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a text is: relative addresses in it start from its folder, at its ref."""

    place: Place
    path: str
    is_folder: Callable[[str], bool] = lambda path: False


def prose(text: str, source: Source, *, markdown: bool | None = None) -> str:
    """A README or another text as HTML: Markdown drawn, everything else as it was typed.

    The file's name says which it is, unless `markdown` does.
    """
    if markdown is None:
        markdown = source.path.lower().endswith(MARKDOWN)
    link = f'<a href="{escape(source.place.file_link(source.path))}">Open the file</a>'
    if len(text) > LARGEST:
        return markup.notice("Too long to be drawn here.", link)
    if not markdown or text.count("[") - text.count("]") > MOST_OPEN_BRACKETS:
        return f'<div class="prose"><pre style="white-space:pre-wrap">{markup.visible(text)}</pre></div>'
    # Finding where an address ends takes the square of its length.
    reader = _reader(autolinks=_ENDLESS_WORD.search(text) is None)
    html = reader.render(text, {"highlighter": Highlighter()})
    if len(html) > LARGEST_HTML:
        return markup.notice("Too long to be drawn here.", link)
    if _too_deep(html):
        return markup.notice("Its HTML is nested too deeply to be drawn here.", link)
    return f'<div class="prose">{_cleaned(html, source)}</div>'


def _cleaned(html: str, source: Source) -> str:
    links = _Links(source)
    return nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags=_REMOVED_WHOLE,
        attributes=_ATTRIBUTES,
        set_tag_attribute_values=_FORCED,
        attribute_filter=links.attribute,
        allowed_classes={"span": _COLOURS, "code": {"src"}},
        filter_style_properties={"text-align"},
        url_schemes=_SCHEMES,
        link_rel="nofollow ugc",
        id_prefix=ID_PREFIX,
    )


def _too_deep(html: str) -> bool:
    """Whether so much is left open that parsing would take long: every open `<b>` is opened again in
    each paragraph that follows."""
    depth = styles = 0
    for slash, tag in _NESTING.findall(html):
        step = -1 if slash else 1
        depth = max(0, depth + step)
        if tag.lower() in _STYLES:
            styles = max(0, styles + step)
        if depth > DEEPEST or styles > MOST_OPEN_STYLES:
            return True
    return False


class _Links:
    """Addresses in one text, made absolute at its ref."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.folder = unquote(source.path).split(b"/")[:-1]

    def attribute(self, tag: str, name: str, value: str) -> str | None:
        """The value an attribute gets, or None to drop it."""
        if name == "href":
            return self.target(value)
        if name == "src":
            return self.image(value)
        if name in ("width", "height", "colspan", "rowspan", "start"):
            return value if re.fullmatch(r"\d{1,3}%?|1\d{3}", value) else None
        return value

    def target(self, value: str) -> str | None:
        """Where a link leads."""
        address = _IGNORED_BY_BROWSERS.sub("", value)
        if scheme := _SCHEME.match(address):
            return address if scheme[1].lower() in _SCHEMES else None
        if address.replace("\\", "/").startswith("//"):
            return "https://" + address.lstrip("/\\")
        path, _, fragment = address.partition("#")
        if not path:
            return "#" + ID_PREFIX + fragment if fragment else "#"
        inside = self.inside(path)
        place = self.source.place
        if not inside or path.endswith("/") or self.source.is_folder(inside):
            return place.folder_link(inside)
        if fragment and not _LINE.fullmatch(fragment):
            fragment = ID_PREFIX + fragment
        return place.file_link(inside) + ("#" + fragment if fragment else "")

    def image(self, value: str) -> str | None:
        """The bytes of an image of this project; pages load none from elsewhere."""
        address = _IGNORED_BY_BROWSERS.sub("", value)
        if _foreign(address):
            return None
        inside = self.inside(address)
        return self.source.place.image_link(inside) if inside else None

    def inside(self, address: str) -> str:
        """The path a relative address means; `/` is the root of the project, and nothing is above it."""
        path = unquote_to_bytes(re.split(r"[?#]", address, maxsplit=1)[0])
        parts = [] if path.startswith(b"/") else list(self.folder)
        for part in path.split(b"/"):
            if part == b"..":
                parts = parts[:-1]
            elif part not in (b"", b"."):
                parts.append(part)
        return quote(b"/".join(parts))


def _foreign(address: str) -> bool:
    return _SCHEME.match(address) is not None or address.replace("\\", "/").startswith("//")


@cache
def _reader(*, autolinks: bool) -> MarkdownIt:
    """The Markdown dialect; used by several threads, so nothing of one text is kept in it."""
    reader = MarkdownIt("commonmark", {"html": True})
    gfm_plugin(reader, front_matter=True)
    reader.core.ruler.push("headings", _name_headings)
    if not autolinks:
        reader.disable(["gfm_autolink_www", "gfm_autolink_protocol", "gfm_autolink_email"])
    reader.core.ruler.after("block", "modest_references", _modest_references)
    reader.core.ruler.push("alerts_are_quotes", _alerts_are_quotes)
    reader.add_render_rule("fence", _fence)
    reader.add_render_rule("image", _image)
    return reader


def _modest_references(state: StateCore) -> None:
    """Forget definitions so long that their uses could make the page larger than any may be."""
    known = state.env.get("references", {})
    longest = LARGEST_HTML // (1 + state.src.count("["))
    for label in list(known):
        if len(known[label]["href"]) + len(known[label]["title"] or "") > longest:
            del known[label]


def _name_headings(state: StateCore) -> None:
    """Ids as GitHub makes them. The plugin for this looks at all earlier ids for each heading."""
    seen: dict[str, int] = {}
    for token, content in zip(state.tokens, state.tokens[1:], strict=False):
        if token.type != "heading_open":
            continue
        words = "".join(t.content for t in content.children or [] if t.type in ("text", "code_inline"))
        slug = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-") or "section"
        count = seen[slug] = seen.get(slug, -1) + 1
        token.attrSet("id", f"{slug}-{count}" if count else slug)


def _alerts_are_quotes(state: StateCore) -> None:
    for token in state.tokens:
        if token.type in ("alert_open", "alert_close"):
            token.tag = "blockquote"


def _fence(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: dict[str, Any]
) -> str:
    language = tokens[index].info.split(maxsplit=1)
    lexer = lexer_called(language[0].strip("{}.")) if language else None
    text = tokens[index].content.removesuffix("\n")
    rows = env["highlighter"].lines(text, lexer)
    return f'<pre><code class="src">{chr(10).join(map(markup.line, rows))}</code></pre>\n'


def _image(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: dict[str, Any]
) -> str:
    """An image from elsewhere becomes its words, with a link where it is not inside one already."""
    token = tokens[index]
    address = _IGNORED_BY_BROWSERS.sub("", str(token.attrs.get("src", "")))
    words = escape(renderer.renderInlineAsText(token.children or [], options, env) or "image")
    if not _foreign(address):
        title = escape(str(token.attrs.get("title") or ""))
        return f'<img src="{escape(address)}" alt="{words}" title="{title}">'
    opened = sum((t.type == "link_open") - (t.type == "link_close") for t in tokens[:index])
    return words if opened else f'<a href="{escape(address)}">{words}</a>'
