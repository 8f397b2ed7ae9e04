"""Archives of a ref: what `git archive` gives, the same bytes each time, for whoever may read."""

import io
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from backend.core.config import RateLimits
from backend.doors import archive

FILES = {
    "README.md": (b"# Open\n", "100644"),
    "bin/run": (b"#!/bin/sh\n", "100755"),
    "a folder/caf\N{LATIN SMALL LETTER E WITH ACUTE}.txt": (b"latin\n", "100644"),
    "link": (b"bin/run", "120000"),
    "secret.txt": (b"not in an archive\n", "100644"),
    "version.txt": (b"$Format:%H$\n", "100644"),
    ".gitattributes": (b"secret.txt export-ignore\nversion.txt export-subst\n", "100644"),
}


def get(place, address, person="", method="GET", **headers):
    if token := place.world.tokens.get(person):
        headers["Authorization"] = f"Bearer {token}"
    return httpx.request(method, place.url + address, headers=headers, timeout=60)


@pytest.fixture
def filled(own):
    """acme/open with files of every mode, and attributes about archives."""
    session = own.run("start_session", organization="acme", project="open", goal="Fill it")["id"]
    for path, (text, mode) in FILES.items():
        blob = own.store(session, text)
        own.run("put_session_file", session=session, path=path, blob=blob, mode=mode)
    own.run("land_session", session=session)
    return own


@pytest.mark.parametrize("format", ["tar.gz", "zip"])
def test_an_archive_is_what_git_archive_makes_of_a_clone(filled, git, format):
    git.ok("clone", "-q", filled.of("open"), "clone")
    command = ["git", "archive", f"--format={format}", "--prefix=open-main/", "HEAD"]
    environment = git.environment() | {"TZ": "UTC"}
    made = subprocess.run(
        command, cwd=git.home / "clone", capture_output=True, env=environment, check=True
    ).stdout

    answer = get(filled, f"/acme/open/archive/main.{format}")

    assert answer.status_code == 200
    assert answer.content == made
    assert answer.headers["content-disposition"] == f'attachment; filename="open-main.{format}"'


def test_modes_links_times_and_attributes_are_kept(filled):
    answer = get(filled, "/acme/open/archive/HEAD.tar.gz")
    landed = filled.run("get_landing", organization="acme", project="open", position=3)["landed_at"]
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as opened:
        members = {member.name.removeprefix("open-main/"): member for member in opened}
        version = opened.extractfile("open-main/version.txt").read()

    assert members["bin/run"].mode & 0o111 and not members["README.md"].mode & 0o111
    assert (members["link"].issym(), members["link"].linkname) == (True, "bin/run")
    assert {datetime.fromtimestamp(member.mtime, UTC) for member in members.values()} == {
        landed.astimezone(UTC).replace(microsecond=0)
    }
    assert "secret.txt" not in members and "a folder/caf\N{LATIN SMALL LETTER E WITH ACUTE}.txt" in members
    assert version.decode().strip() == filled.shas("open")[-1]


def test_the_same_commit_has_the_same_bytes_and_a_tag(filled):
    first = get(filled, "/acme/open/archive/main.zip")
    filled.land("open", {"more.txt": b"later\n"})
    by_position = get(filled, "/api/v1/projects/acme/open/archive/@3.zip")
    again = get(filled, "/acme/open/archive/@3.zip", **{"If-None-Match": by_position.headers["etag"]})

    names = [
        each.removeprefix("open-main/") for each in zipfile.ZipFile(io.BytesIO(first.content)).namelist()
    ]
    at_3 = zipfile.ZipFile(io.BytesIO(by_position.content)).namelist()
    assert [each.removeprefix("open-@3/") for each in at_3] == names
    assert (again.status_code, again.content) == (304, b"")
    assert get(filled, "/acme/open/archive/main.zip").headers["etag"] != first.headers["etag"]
    head = get(filled, "/acme/open/archive/@3.zip", method="HEAD")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", by_position.headers["etag"])


@pytest.mark.parametrize(
    ("ref", "folder"),
    [("v1", "open-v1"), ("topic/deep", "open-topic-deep"), ("topic%2Fdeep", "open-topic-deep")],
)
def test_branches_and_tags_name_the_folder(place, ref, folder):
    answer = get(place, f"/acme/open/archive/{ref}.tar.gz")

    with tarfile.open(fileobj=io.BytesIO(answer.content)) as opened:
        assert {name.partition("/")[0] for name in opened.getnames()} == {folder}


def test_what_has_no_archive_is_told_so(place):
    assert get(place, "/acme/empty/archive/main.zip").status_code == 404
    assert get(place, "/acme/open/archive/nowhere.zip").status_code == 404
    assert get(place, "/acme/secret/archive/main.zip").status_code == 404
    wrong = get(place, "/acme/open/archive/main.rar")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "archive.format")
    assert get(place, "/acme/secret/archive/main.zip", "grace").status_code == 200


def test_strangers_pay_for_archives(own):
    own.forge.settings = replace(own.forge.settings, rates=RateLimits(anonymous_cost=archive.COST + 10))

    answers = [get(own, "/acme/open/archive/main.zip") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
    assert int(answers[1].headers["retry-after"]) > 0
    assert get(own, "/acme/open/archive/main.zip", "grace").status_code == 200
