import base64
import gzip
import hashlib
import re
from html import unescape

import pytest
from reflex.plugins import Plugin

from micelio_app import frontend
from micelio_app.frontend import Document, Frontend, SameOriginPlugin
from micelio_app.head import Head
from tests.asgi import Asgi

PAGE = (
    '<!DOCTYPE html><html lang="en"><head><meta charSet="utf-8"/><title>Old</title>'
    '<link rel="modulepreload" href="/assets/a-1.js"/><meta content="favicon.ico" property="og:image"/>'
    '<script>early()</script><script defer="" src="/shell.js"></script></head>'
    '<body><main>{text}</main><script type="module" async="">import "/assets/a-1.js"</script></body></html>'
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "500").mkdir()
    for name, text in {
        "index.html": "home",
        "signin.html": "sign in",
        "__spa-fallback.html": "",
        "500/index.html": "broke REQUEST-ID",
    }.items():
        (tmp_path / name).write_text(PAGE.format(text=text))
    (tmp_path / "assets" / "a-1.js").write_text("let a = 1;" * 100)
    (tmp_path / "assets" / "a-1.js.gz").write_bytes(gzip.compress(b"let a = 1;" * 100))
    (tmp_path / "mark.svg").write_text("<svg/>")
    (tmp_path / "manifest.webmanifest").write_text("{}")
    return tmp_path


@pytest.fixture
def browser(folder):
    async def head_for(path, session, query):
        if path == "/moved":
            return Head(title="Moved", status=301, location="/here")
        known = path in ("/", "/signin") or path.startswith("/ada")
        return Head(title=f"<{path}>", path=path, status=200 if known else 404, body="<p>plain</p>")

    return Asgi(Frontend(folder, head_for))


def test_files_with_a_hash_in_their_name_are_kept_for_ever_and_sent_compressed(browser):
    answer = browser.get("/assets/a-1.js")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text == "let a = 1;" * 100


def test_a_client_that_takes_no_gzip_gets_plain_bytes(browser):
    answer = browser.get("/assets/a-1.js", **{"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-length"] == "1000"


def test_a_missing_asset_is_a_404_and_never_a_page(browser):
    answer = browser.get("/assets/gone-1.js")
    assert answer.status_code == 404
    assert "html" not in answer.headers["content-type"]


def test_other_files_are_checked_again_by_their_tag(browser):
    first = browser.get("/mark.svg")
    again = browser.get("/mark.svg", **{"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert browser.get("/manifest.webmanifest").headers["content-type"] == "application/manifest+json"


@pytest.mark.parametrize(
    "path", ["/..%2fsecret", "/assets/..%2f..%2fetc/passwd", "/index.html", "/mark.svg/"]
)
def test_no_path_reaches_the_file_system(browser, path):
    assert browser.get(path).status_code == 404


def test_a_prerendered_page_is_served_at_its_address(browser):
    assert "<main>home</main>" in browser.get("/").text
    assert (
        "<main>sign in</main>" in browser.get("/signin/").text or browser.get("/signin/").status_code == 404
    )
    assert "<main>sign in</main>" in browser.get("/signin").text


def test_a_page_that_is_only_drawn_by_scripts_gets_the_shell(browser):
    answer = browser.get("/ada/notes")
    assert answer.status_code == 200
    assert "<main></main>" in answer.text


def test_what_does_not_exist_is_a_404_with_the_shell(browser):
    answer = browser.get("/no/such/page")
    assert answer.status_code == 404
    assert '<meta name="robots" content="noindex">' in answer.text


def test_every_request_gets_its_own_title_and_plain_body(browser):
    html = browser.get("/ada/notes").text
    assert html.count("<title>") == 1
    assert unescape(re.search("<title>(.*?)</title>", html)[1]) == "</ada/notes> · Micelio"
    assert re.search(r"<body><noscript>.*<p>plain</p>.*</noscript>", html)
    assert "favicon.ico" not in html


def test_the_policy_allows_exactly_the_inline_scripts_of_the_page(browser):
    answer = browser.get("/")
    policy = answer.headers["content-security-policy"]
    inline = re.findall(r"<script(?![^>]*src=)[^>]*>(.*?)</script>", answer.text)
    hashes = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in inline}
    assert len(hashes) == 2
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == hashes
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert "frame-ancestors 'none'" in policy


def test_a_moved_page_redirects(browser):
    answer = browser.get("/moved")
    assert (answer.status_code, answer.headers["location"]) == (301, "/here")


def test_pages_are_only_read(browser):
    assert browser.get("/", "POST").status_code == 405
    assert browser.get("/", "HEAD").content == b""


def test_the_broken_page_needs_no_script_and_names_the_request(folder):
    async def head_for(path, session, query):
        return Head(title="x")

    html = Frontend(folder, head_for).broken("req<1>").decode()
    assert "<script" not in html
    assert "modulepreload" not in html
    assert "broke req&lt;1&gt;" in html


def test_only_signed_in_browsers_are_marked(folder):
    page = Document.of(PAGE.format(text=""))
    assert b"<html data-signed-in" in page.drawn(Head(title="x"), "", signed_in=True)
    assert b"data-signed-in" not in page.drawn(Head(title="x"), "", signed_in=False)


def test_there_is_a_sentence_when_nothing_was_built(tmp_path):
    with pytest.raises(frontend.FrontendMissing) as refusal:
        Frontend(tmp_path, None)
    assert "make serve" in refusal.value.sentence


def test_the_bundle_finds_its_own_server(tmp_path):
    (tmp_path / "assets").mkdir()
    script = tmp_path / "assets" / "env.js"
    script.write_text('x={EVENT:"ws://same-origin.invalid/_event",PING:`http://same-origin.invalid/ping`}')
    plugin: Plugin = SameOriginPlugin()
    plugin.post_build(static_dir=tmp_path)
    assert "same-origin.invalid" not in script.read_text()
    assert '.replace(/^http/,"ws")+"/_event"' in script.read_text()


def test_a_bundle_without_the_marker_is_refused(tmp_path):
    (tmp_path / "assets").mkdir()
    with pytest.raises(frontend.FrontendBuildFailed):
        SameOriginPlugin().post_build(static_dir=tmp_path)


def test_a_changed_source_asks_for_a_build(tmp_path, monkeypatch):
    for name in (
        "rxconfig.py",
        "assets/a.css",
        "micelio_app/a.py",
        "backend/x/schemas.py",
        "backend/x/service.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    built = tmp_path / "micelio_app" / "_frontend"
    built.mkdir()
    monkeypatch.setattr(frontend.config, "CHECKOUT", tmp_path)
    monkeypatch.setattr(frontend.config, "FRONTEND", built)
    assert frontend.needs_build()

    (built / "STAMP").write_text(frontend._stamp(tmp_path))
    assert not frontend.needs_build()

    (tmp_path / "backend/x/service.py").write_text("two")
    assert not frontend.needs_build()
    for name in ("assets/a.css", "backend/x/schemas.py"):
        (tmp_path / name).write_text("two")
        assert frontend.needs_build()
        (built / "STAMP").write_text(frontend._stamp(tmp_path))


def test_an_installed_wheel_never_builds(monkeypatch):
    monkeypatch.setattr(frontend.config, "CHECKOUT", None)
    assert not frontend.needs_build()
