"""Raw files and fragments over HTTP, on a real forge."""

from collections.abc import Callable, Iterator

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from httpx import ASGITransport, AsyncClient, Response

from backend.core.operations import invoke, operations
from backend.doors.routes import own_app
from backend.projects import web

BIG = b"".join(b"line %d of a large file\n" % n for n in range(400_000))
PICTURE = b"\x89PNG\r\n\x1a\n" + b"\0" * 32


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def get(forge, portal) -> Callable[..., Response]:
    """Ask as a stranger, or as somebody with a token."""
    client = AsyncClient(transport=ASGITransport(own_app(forge)), base_url="http://forge.test")

    def get(address: str, actor=None, method: str = "GET", **headers: str) -> Response:
        if actor is not None:
            asked = {"name": "test", "scopes": ["project:read", "session:read"]}
            made = invoke(forge, actor, operations()["create_access_token"], asked)
            headers["authorization"] = f"Bearer {made.token}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        async def ask() -> Response:
            return await client.request(method, address, headers=named)

        return portal.call(ask)

    return get


@pytest.fixture
def filled(bench, ada):
    """acme/notes with one file of each sort."""
    bench.landed(
        ada,
        {
            "README.md": b"# Notes\n\nSee [the guide](docs/guide.md), [docs](docs) and ![a](docs/a.svg).\n",
            "docs/guide.md": b"## Guide\n\n[back](../README.md)\n",
            "docs/a.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            "docs/plain.txt": b"<b>as typed</b>\n",
            "page.html": b"<script>alert(1)</script>\n",
            "a.py": b"def f():\n    return 1\n",
            "a.png": PICTURE,
            "blob": b"\0\1\2",
            b"caf\xe9.txt": b"latin\n",
        },
    )
    return bench


def test_text_of_any_kind_is_served_as_plain_text(filled, get):
    for path in ("page.html", "docs/a.svg", "a.py", "README.md"):
        answer = get(f"/acme/notes/raw/main/{path}")

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


def test_pictures_have_their_type_and_an_svg_only_when_asked_for_as_one(filled, get):
    assert get("/acme/notes/raw/main/a.png").headers["content-type"] == "image/png"
    drawing = get("/acme/notes/raw/main/docs/a.svg?image=1")

    assert drawing.headers["content-type"] == "image/svg+xml"
    assert drawing.headers["content-security-policy"] == web.SANDBOX


def test_what_is_neither_text_nor_a_picture_is_a_download(filled, get):
    answer = get("/acme/notes/raw/main/blob")

    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''blob"
    assert answer.content == b"\0\1\2"


def test_a_path_that_is_not_utf8_has_an_address(filled, get):
    assert get("/acme/notes/raw/main/caf%E9.txt").content == b"latin\n"


def test_a_link_answers_with_where_it_leads_whatever_its_name(bench, ada, get):
    session = bench.start(ada).id
    bench.push(ada, session, {"a.png": b"../target"}, mode="120000")
    bench.land(ada, session)

    answer = get("/acme/notes/raw/main/a.png")

    assert (answer.headers["content-type"], answer.content) == ("text/plain; charset=utf-8", b"../target")


def test_a_raw_file_is_known_by_its_blob(filled, get):
    first = get("/acme/notes/raw/main/a.py")
    again = get("/acme/notes/raw/@1/a.py", if_none_match=first.headers["etag"])

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("asked", "status", "content", "stated"),
    [
        ("bytes=4-6", 206, b"f()", "bytes 4-6/22"),
        ("bytes=18-", 206, b"n 1\n", "bytes 18-21/22"),
        ("bytes=-2", 206, b"1\n", "bytes 20-21/22"),
        ("bytes=0-999", 206, b"def f():\n    return 1\n", "bytes 0-21/22"),
        ("bytes=22-", 416, b"", "bytes */22"),
        ("bytes=0-1,4-5", 200, b"def f():\n    return 1\n", None),
        ("lines=1-2", 200, b"def f():\n    return 1\n", None),
    ],
)
def test_a_part_of_a_file_can_be_asked_for(filled, get, asked, status, content, stated):
    answer = get("/acme/notes/raw/main/a.py", range=asked)

    assert (answer.status_code, answer.content) == (status, content)
    assert answer.headers.get("content-range") == stated


def test_a_large_file_comes_whole_and_in_parts(bench, ada, get):
    bench.landed(ada, {"big.txt": BIG})
    middle = len(BIG) // 2

    assert get("/acme/notes/raw/main/big.txt").content == BIG
    assert (
        get("/acme/notes/raw/main/big.txt", range=f"bytes={middle}-{middle + 9}").content
        == BIG[middle : middle + 10]
    )
    head = get("/acme/notes/raw/main/big.txt", method="HEAD")
    assert (head.headers["content-length"], head.content) == (str(len(BIG)), b"")


def test_a_part_is_read_where_it_is_and_not_from_the_beginning(bench, ada, get, monkeypatch):
    bench.landed(ada, {"big.txt": BIG})
    store, read = bench.forge.store, []
    whole = store.get

    def counting(key, start=0, length=None):
        content = whole(key, start, length)
        read.append(len(content))
        return content

    monkeypatch.setattr(store, "get", counting)
    get("/acme/notes/raw/main/big.txt")
    everything = sum(read)
    read.clear()

    part = get("/acme/notes/raw/main/big.txt", range="bytes=-9")

    assert part.content == BIG[-9:]
    # The frame that says what kind of file it is, and the last one.
    assert sum(read) < everything / 3


def test_private_and_missing_give_the_same_answer(bench, ada, mallory, get):
    bench.on("acme/plans").landed(ada, {"a.txt": b"secret"})

    for address in ("/acme/{}/raw/main/a.txt", "/_fragments/acme/{}/code/main/a.txt"):
        for actor in (None, mallory):
            private, missing = get(address.format("plans"), actor), get(address.format("nothing"), actor)

            assert private.status_code == missing.status_code == 404
            assert private.text.replace(private.headers["x-request-id"], "") == missing.text.replace(
                missing.headers["x-request-id"], ""
            )
    assert get("/acme/plans/raw/main/a.txt", ada).content == b"secret"


def test_a_wrong_token_is_told_so_even_where_anyone_may_read(filled, get):
    assert get("/acme/notes/raw/main/a.py", authorization="Bearer mic_wrong").status_code == 401


def test_a_file_is_a_table_with_numbers_that_are_links(filled, get):
    answer = get("/_fragments/acme/notes/code/main/a.py")

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert '<tr id="L2"><td class="ln"><a href="#L2">2</a></td>' in answer.text
    assert '<span class="k">def</span> <span class="nf">f</span>' in answer.text


def test_a_browser_that_has_a_fragment_is_told_so(filled, get):
    first = get("/_fragments/acme/notes/code/main/a.py")
    again = get("/_fragments/acme/notes/code/main/a.py", if_none_match=first.headers["etag"])

    assert first.headers["cache-control"] == "private, max-age=0"
    assert (again.status_code, again.content) == (304, b"")


def test_a_file_too_large_to_show_is_shown_from_its_beginning(bench, ada, get):
    bench.landed(ada, {"big.txt": BIG})

    answer = get("/_fragments/acme/notes/code/main/big.txt")

    assert "The first 5,000 of 400,000 lines are shown." in answer.text
    assert '<a href="/acme/notes/raw/main/big.txt" data-load>Raw file</a>' in answer.text
    assert 'id="L5000"' in answer.text and 'id="L5001"' not in answer.text


def test_a_readme_is_drawn_with_its_links_at_the_same_ref(filled, get):
    html = get("/_fragments/acme/notes/readme/@1/").text

    assert '<h1 id="md-notes">Notes</h1>' in html
    assert 'href="/acme/notes/blob/@1/docs/guide.md"' in html
    assert 'href="/acme/notes/tree/@1/docs"' in html
    assert 'src="/acme/notes/raw/@1/docs/a.svg?image=1"' in html


def test_a_text_can_be_drawn_by_its_own_path(filled, get):
    assert (
        'href="/acme/notes/blob/main/README.md"'
        in get("/_fragments/acme/notes/readme/main/docs/guide.md").text
    )
    assert "&lt;b&gt;as typed" in get("/_fragments/acme/notes/readme/main/docs/plain.txt").text


def test_a_folder_without_a_readme_says_so_in_html(filled, get):
    answer = get("/_fragments/acme/notes/readme/main/docs")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "There is no such README in this folder" in answer.text


def test_a_landing_is_drawn_in_both_views(filled, ada, get):
    filled.landed(ada, {"a.py": b"def f():\n    return 2\n", "docs/plain.txt": None})

    unified = get("/_fragments/acme/notes/landings/2/diff").text
    split = get("/_fragments/acme/notes/landings/2/diff?view=split").text

    assert '<table class="code diff">' in unified and '<table class="code diff split">' in split
    assert (
        '<ins><span class="mi">2</span></ins>' in unified and '<del><span class="mi">1</span></del>' in split
    )
    assert 'href="/acme/notes/blob/@2/a.py"' in unified
    assert '<ul class="touched"' in unified


def test_whitespace_can_be_hidden_in_a_comparison(filled, ada, get):
    filled.landed(ada, {"a.py": b"def f():\n        return 1\n"})
    address = "/_fragments/acme/notes/compare?old=@1&new=@2"

    assert '<td class="src add">' in get(address).text
    assert "Only whitespace changed." in get(f"{address}&whitespace=hide").text


def test_an_unknown_view_is_refused_in_html(filled, get):
    answer = get("/_fragments/acme/notes/landings/1/diff?view=sideways")

    assert answer.status_code == 422
    assert "sideways" in answer.text and answer.text.startswith('<p class="notice">')


def test_a_slash_in_a_ref_is_not_one_in_the_address(filled, get):
    answer = get("/_fragments/acme/notes/code/feature%2Fx/a.py")

    assert answer.status_code == 404
    assert "ref &#x27;feature/x&#x27;" in answer.text


def test_an_open_session_is_drawn_while_it_grows(filled, ada, get):
    session = filled.start(ada).id
    filled.push(ada, session, {"a.py": b"def f():\n    return 2\n", "new.txt": b"new\n"})
    address = f"/_fragments/sessions/{session}"

    whole = get(f"{address}/changes", ada).text
    one = get(f"{address}/changes?path=new.txt", ada).text

    assert "a.py" in whole and "new.txt" in whole
    assert '<tr><td class="ln add">1</td><td class="src add">new</td></tr>' in one
    assert "a.py" not in one
    assert 'aria-current="true"><span class="mode a"' in get(f"{address}/touched?path=new.txt", ada).text
    assert get(f"{address}/changes").status_code == 404
