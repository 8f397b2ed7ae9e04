"""Open sessions as git shows them: to members all of them, to authors their own, to others not one object."""

import base64

from backend.projects import git as projects
from backend.projects.models import CollaboratorRole
from tests.backend.doors.git.pushes import admit


def proactive(place, person):
    """git sends credentials only when it is asked for some, which a public project never does."""
    told = base64.b64encode(f"{person}:{place.world.tokens[person]}".encode()).decode()
    return ("-c", f"http.extraHeader=Authorization: Basic {told}")


def test_members_fetch_a_session_and_its_next_revision(own, git):
    draft = own.start("secret", {"draft.txt": b"between us\n", "d/deep.txt": b"x\n"})
    refs = git.ok("ls-remote", own.of("secret", "grace"), "refs/sessions/*").split()
    assert f"refs/sessions/{draft}" in refs
    git.ok("clone", "-q", own.of("secret", "grace"), "a")
    git.ok("fetch", "-q", "origin", f"refs/sessions/{draft}", at="a")
    assert git.ok("show", "FETCH_HEAD:draft.txt", at="a") == "between us\n"
    assert git.ok("rev-parse", "FETCH_HEAD~1", at="a").strip() == own.shas("secret")[-1]
    told = git.ok("log", "-1", "--format=%an%n%B", "FETCH_HEAD", at="a")
    assert told.startswith("Grace\nWrite draft.txt, d/deep.txt\n") and f"Micelio-Session: {draft}" in told
    first = git.ok("rev-parse", "FETCH_HEAD", at="a")

    blob = own.store(draft, b"another word\n")
    own.run("put_session_file", session=draft, path="draft.txt", blob=blob)
    git.ok("fetch", "-q", "origin", f"refs/sessions/{draft}", at="a")
    assert git.ok("show", "FETCH_HEAD:draft.txt", at="a") == "another word\n"
    assert git.ok("rev-parse", "FETCH_HEAD", at="a") != first
    assert git.ok("fsck", "--full", "--strict", "--no-dangling", at="a") == ""


def test_a_session_has_one_name_however_often_its_repository_is_made(own, git):
    own.start("secret", {"draft.txt": b"between us\n"})
    before = git.ok("ls-remote", own.of("secret", "grace"))
    projects.projection(own.forge, own.row("secret")).drop()
    own.forge.forget_project(own.row("secret").id)

    assert git.ok("ls-remote", own.of("secret", "grace")) == before


def test_a_session_that_landed_is_no_open_one_any_more(own, git):
    draft = own.start("secret", {"draft.txt": b"for all\n"})
    assert draft in git.ok("ls-remote", own.of("secret", "grace"))
    own.run("land_session", session=draft)

    open_ones = git.ok("ls-remote", own.of("secret", "grace"), "refs/sessions/*")
    assert draft not in open_ones
    git.ok("clone", "-q", own.of("secret", "grace"), "a")
    assert git.ok("rev-parse", "HEAD", at="a").strip() == own.shas("secret")[-1]


def test_others_get_neither_the_refs_nor_any_object(own, git):
    draft = own.start("open", {"draft.txt": b"between us\n"})
    signed = proactive(own, "grace")
    sha = git.ok(*signed, "ls-remote", own.of("open"), f"refs/sessions/{draft}").split()[0]
    blob = git.ok("hash-object", "--stdin", input="between us\n").strip()
    git.ok("init", "-q", "a")
    for told in ((), proactive(own, "mallory")):
        assert "refs/sessions" not in git.ok(*told, "ls-remote", own.of("open"))
        for wanted in (sha, blob):
            for version in "02":
                speak = (*told, "-c", f"protocol.version={version}")
                ran = git(*speak, "fetch", "-q", own.of("open"), wanted, at="a")
                assert ran.code != 0 and "not our ref" in ran.err
    git.ok(*signed, "fetch", "-q", own.of("open"), sha, at="a")
    # Once more by somebody else, now that the answer to who may is kept.
    git.ok("init", "-q", "b")
    assert git("fetch", "-q", own.of("open"), sha, at="b").code != 0


def test_an_author_without_a_role_fetches_their_own_sessions_and_no_other(own, git):
    theirs = own.start("open", {"draft.txt": b"between us\n"})
    mine = own.start("open", {"idea.txt": b"mine\n"}, "mallory")
    told, place = proactive(own, "mallory"), own.of("open")

    listed = git.ok(*told, "ls-remote", place)
    assert f"refs/sessions/{mine}" in listed and theirs not in listed and "refs/heads/main" in listed
    git.ok("init", "-q", "a")
    git.ok(*told, "fetch", "-q", place, f"refs/sessions/{mine}", at="a")
    assert git.ok("show", "FETCH_HEAD:idea.txt", at="a") == "mine\n"
    sha = git.ok("rev-parse", "FETCH_HEAD", at="a").strip()
    hidden = git.ok(*proactive(own, "grace"), "ls-remote", place, f"refs/sessions/{theirs}").split()[0]
    assert git(*told, "fetch", "-q", place, hidden, at="a").code != 0
    git.ok("init", "-q", "b")
    assert git("fetch", "-q", place, sha, at="b").code != 0
    git.ok(*proactive(own, "grace"), "fetch", "-q", place, sha, at="b")

    own.run("abandon_session", "mallory", session=mine)
    assert "refs/sessions" not in git.ok(*told, "ls-remote", place)


def test_a_reader_of_a_private_project_fetches_what_they_proposed(own, git):
    admit(own, "mallory", CollaboratorRole.READ)
    theirs = own.start("secret", {"draft.txt": b"between us\n"})
    mine = own.start("secret", {"idea.txt": b"mine\n"}, "mallory")

    listed = git.ok("ls-remote", own.of("secret", "mallory"), "refs/sessions/*")
    assert mine in listed and theirs not in listed


def test_few_readers_repositories_are_kept(own, git, monkeypatch):
    monkeypatch.setattr("vcs.git.sessions._READERS", 1)
    folder = projects.git_path(own.forge, own.row("open").id)
    for person in ("mallory", "linus", "mallory"):
        own.start("open", {f"{person}.txt": b"mine\n"}, person)
        assert "refs/sessions/" in git.ok(*proactive(own, person), "ls-remote", own.of("open"))
        assert len(list(folder.glob("sessions-*.git"))) == 1


def test_a_project_that_shows_its_sessions_shows_them_to_git_too(own, git):
    draft = own.start("open", {"draft.txt": b"look\n"})
    own.run("update_project", "ada", organization="acme", project="open", session_visibility="anyone")
    assert draft in git.ok("ls-remote", own.of("open"))
    own.run("update_project", "ada", organization="acme", project="open", session_visibility="members")

    assert draft not in git.ok("ls-remote", own.of("open"))


def test_a_session_that_was_pushed_is_shown_as_the_commits_that_were_pushed(own, git):
    who = {"GIT_AUTHOR_NAME": "Grace", "GIT_AUTHOR_EMAIL": "g@example.org"}
    who |= {"GIT_COMMITTER_NAME": "Grace", "GIT_COMMITTER_EMAIL": "g@example.org"}
    git.ok("clone", "-q", own.of("secret", "grace"), "a")
    for number in range(2):
        (git.home / f"a/new{number}.txt").write_text("new\n")
        git.ok("add", ".", at="a")
        git.ok("commit", "-q", "-m", f"Add {number}", at="a", **who)
    git.ok("push", "-q", "origin", "HEAD:refs/for/main", at="a")
    sha = git.ok("rev-parse", "HEAD", at="a").strip()

    listed = git.ok("ls-remote", own.of("secret", "ada"), "refs/sessions/*")
    assert sha in listed
    name = next(line.split("\t")[1] for line in listed.splitlines() if line.startswith(sha))
    git.ok("clone", "-q", own.of("secret", "ada"), "b")
    git.ok("fetch", "-q", "origin", name, at="b")
    assert git.ok("fsck", "--full", "--strict", "--no-dangling", at="b") == ""
