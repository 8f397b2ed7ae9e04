import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from backend.accounts.service import update_current_user
from backend.core.context import SYSTEM, Actor, Context
from backend.core.errors import RateLimited
from backend.core.jobs import drain
from backend.embedding import jobs, pictures
from backend.embedding.pictures import Pictures
from backend.embedding.subjects import Subject
from backend.organizations.service import update_organization
from backend.projects.about import ProjectChanged
from backend.projects.service import update_project

SUBJECT = Subject(
    home="0198",
    key="landing-1",
    kind="Landing #1",
    address="acme/notes",
    path="/acme/notes/landings/1",
    title="</svg><script>alert(1)</script> & \"'",
    says="]]><!-- \u202e",
    author="ada",
    facts=("1 file",),
)


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", png[16:24])


@pytest.fixture
def drawings(monkeypatch):
    """Titles as they are drawn."""
    drawn, whole = [], pictures.draw

    def draw(subject):
        drawn.append(subject.title)
        return whole(subject)

    monkeypatch.setattr(pictures, "draw", draw)
    return drawn


def test_a_picture_has_the_size_that_others_ask_for():
    assert size_of(pictures.draw(SUBJECT)) == (1200, 630)
    assert "script" not in pictures.svg_of(SUBJECT)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_many_who_ask_at_once_cost_one_drawing(forge, stranger, drawings):
    ready = threading.Barrier(8)

    def ask(_):
        ready.wait()
        return Pictures.of(pictures.pictures(forge), SUBJECT, stranger)

    with ThreadPoolExecutor(8) as threads:
        got = set(threads.map(ask, range(8)))

    assert len(got) == 1 and len(drawings) == 1
    assert Pictures(forge).of(SUBJECT, stranger) in got and len(drawings) == 1, "it was kept in the store"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_subject_keeps_its_newest_and_a_project_some(forge, stranger, drawings, monkeypatch):
    monkeypatch.setattr(pictures, "KEPT", 3)
    kept = pictures.pictures(forge)
    for number in range(5):
        kept.of(replace(SUBJECT, key=f"landing-{number}"), stranger)
    kept.of(replace(SUBJECT, key="landing-4", title="said better"), stranger)

    there = [listed.key for listed in forge.store.list("pictures/0198/")]
    assert len(there) <= 3
    assert sum("/landing-4/" in key for key in there) == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_stranger_cannot_have_pictures_drawn_without_end(forge):
    greedy = Actor(address="192.0.2.66")
    with pytest.raises(RateLimited):
        for number in range(100):
            pictures.pictures(forge).of(replace(SUBJECT, key=f"landing-{number}", title="x"), greedy)


def test_a_project_has_a_picture_by_what_it_says(get, bench, ada, drawings):
    bench.run(ada, update_project, **bench.where, description="Notes")
    first = get("/og/acme/notes.png")
    assert first.status_code == 200 and first.headers["content-type"] == "image/png"
    assert size_of(first.content) == (1200, 630)
    assert "cookie" not in first.headers.get("vary", "").lower()

    again = get("/og/acme/notes.png", if_none_match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert len(drawings) == 1

    bench.run(ada, update_project, **bench.where, description="Better notes")
    assert get("/og/acme/notes.png").headers["etag"] != first.headers["etag"]


def test_landings_and_landed_sessions_have_pictures_and_nothing_private_has(get, bench, ada):
    landed = bench.landed(ada, {"a": b"1\n"}, goal="Write <b>it</b>")
    running = bench.start(ada)
    bench.on("acme/plans").landed(ada, {"a": b"1\n"})

    for path in ("acme/notes/landings/1", f"acme/notes/sessions/{landed.id}"):
        assert get(f"/og/{path}.png").status_code == 200
    missing = [
        *(
            "acme/plans",
            "acme/plans/landings/1",
            f"acme/notes/sessions/{running.id}",
            "acme/notes/landings/9",
        ),
        *("acme/none", "nobody", "x/y/z", "acme/notes/landings/99999999999999999999", ""),
        f"acme/plans/sessions/{landed.id}",
    ]
    for path in missing:
        for asker in (None, ada):
            assert get(f"/og/{path}.png", asker).status_code == 404, path


def test_people_and_organizations_have_pictures_that_go_with_what_they_said(get, bench, ada):
    bench.run(ada, update_current_user, name="Ada Lovelace", bio="Numbers")
    before = get("/og/ada.png")
    assert (before.status_code, size_of(before.content)) == (200, (1200, 630))
    assert get("/og/acme.png").status_code == 200

    bench.run(ada, update_current_user, name="Ada")
    bench.run(ada, update_organization, organization="acme", description="Tools")
    drain(bench.forge)

    assert not list(bench.forge.store.list("pictures/"))
    assert get("/og/ada.png").headers["etag"] != before.headers["etag"]


def test_pictures_go_when_a_project_changes(get, bench, ada):
    get("/og/acme/notes.png")
    forge = bench.forge
    assert list(forge.store.list("pictures/"))
    found = bench.run(ada, update_project, **bench.where, visibility="private")

    jobs.forget_pictures_of_changed_project(Context(forge, SYSTEM), ProjectChanged(found.id, ada.id))
    assert not list(forge.store.list("pictures/"))
    assert get("/og/acme/notes.png").status_code == 404
