"""`git push origin HEAD:refs/for/main`: sessions in front of a reviewer, by git alone."""

import base64

from tests.backend.doors.git.pushes import Desk


def propose(desk: Desk, *words: str, person: str = "mallory") -> str:
    """Push the tip for review; what was said."""
    return desk.push(desk.url(person), "HEAD:refs/for/main", *words)


def test_a_stranger_to_the_project_proposes_without_a_fork(desk: Desk):
    desk.commit("a.txt", message="Write a\n\nBecause it is missing.")
    encoded = base64.b64encode(b"a long\nprompt").decode()

    said = propose(desk, "-o", "goal=A file", "-o", "prompt=write a", "-o", f"prompt64={encoded}")

    session = desk.session()
    assert f"/acme/{desk.project}/sessions/{session['id']}" in said and "waits for review" in said
    assert f"-> refs/sessions/{session['id']}" in said
    assert (session["goal"], session["status"], session["author"]) == ("A file", "pending_review", "mallory")
    assert session["summary"] == "Because it is missing."
    assert [note["text"] for note in session["conversation"]] == ["write a", "a long\nprompt"]
    assert [(c["path"], c["status"], c["additions"]) for c in session["changes"]] == [("a.txt", "added", 1)]
    assert len(desk.place.shas(desk.project)) == 1


def test_an_accepted_proposal_lands_the_very_commits(desk: Desk):
    made = [desk.commit("a.txt"), desk.commit("b.txt")]
    propose(desk)
    session = desk.session()

    landed = desk.place.run("land_session", "ada", session=session["id"])

    assert landed["position"] == 3
    assert desk.place.shas(desk.project)[1:] == made
    assert desk.session()["status"] == "landed"


def test_a_proposal_that_was_overtaken_is_merged_by_path(desk: Desk):
    made = desk.commit("a.txt")
    propose(desk)
    session = desk.session()
    desk.place.land(desk.project, {"other.txt": b"2\n"})

    desk.place.run("land_session", "ada", session=session["id"])

    assert made not in desk.place.shas(desk.project)
    fresh = desk.other("fresh")
    assert {"a.txt", "other.txt"} <= set(fresh.ok("ls-files").split())


def test_a_proposal_stands_on_the_newest_position_it_knows_however_that_came(desk: Desk):
    base = desk.tip()
    desk.ok("checkout", "-q", "-b", "side")
    for number in range(3):
        desk.commit(f"side{number}.txt")
    desk.ok("checkout", "-q", "main")
    desk.commit("main.txt")
    desk.push("origin", "main")
    desk.ok("checkout", "-q", "side")
    # The trunk goes on through the other parent: one position, and four first parents.
    desk.ok("merge", "-q", "--no-edit", "main")
    desk.push("origin", "side:main")
    desk.ok("checkout", "-q", "-b", "late", "main")
    desk.commit("late.txt")

    propose(desk)

    assert desk.session()["base_position"] == 2
    assert [change["path"] for change in desk.session()["changes"]] == ["late.txt"]
    assert desk.place.shas(desk.project)[0] == base and len(desk.place.shas(desk.project)) == 3


def test_the_next_push_finds_its_session_and_says_how(desk: Desk):
    desk.commit("a.txt", message="One\n\nChange-Id: I1")
    propose(desk)
    first = desk.session()["id"]

    desk.commit("b.txt")
    assert "your only open session with one of these commits" in propose(desk)
    desk.ok("reset", "-q", "--hard", "HEAD~1")
    desk.write({"a.txt": "else\n"})
    desk.ok("commit", "-qa", "--amend", "-m", "One\n\nChange-Id: I1")
    assert "its Change-Id is the same" in propose(desk)
    session = desk.session()
    assert (session["id"], session["revision"]) == (first, 3)
    assert [change["path"] for change in session["changes"]] == ["a.txt"]

    desk.ok("commit", "-q", "--amend", "-m", f"Other\n\nMicelio-Session: {first}")
    assert "its Micelio-Session trailer names it" in propose(desk)
    desk.ok("commit", "-q", "--amend", "-m", "Unrelated")
    assert "-o session names it" in propose(desk, "-o", f"session={first[-8:]}")
    desk.ok("commit", "-q", "--amend", "-m", "Unrelated again")
    assert "waits for review: it is new" in propose(desk)
    assert desk.session()["id"] != first


def test_several_sessions_with_one_commit_leave_the_choice_to_the_pusher(desk: Desk):
    desk.commit("a.txt", message="One\n\nChange-Id: I1")
    propose(desk)
    shared = desk.tip()
    desk.commit("b.txt", message="Two\n\nChange-Id: I2")
    session = desk.session()["id"]
    propose(desk, "-o", f"session={session}")
    desk.ok("reset", "-q", "--hard", shared)
    desk.ok("commit", "-q", "--amend", "-m", "Three")
    propose(desk)
    desk.ok("reset", "-q", "--hard", shared)
    ours = desk.session()["id"]
    propose(desk, "-o", f"session={ours}")
    desk.commit("c.txt")

    assert "it is new, since 2 of your sessions have these commits" in propose(desk)


def test_nobody_revises_what_is_not_theirs(desk: Desk):
    desk.commit("a.txt")
    propose(desk, person="grace")
    session = desk.session()["id"]
    desk.commit("b.txt")

    said = desk.refused(desk.url("mallory"), "HEAD:refs/for/main", "-o", f"session={session}")

    assert "There is no session" in said or "not found" in said.lower() or "session" in said
    assert "Revision 2" in propose(desk, "-o", f"session={session}", person="ada")
    assert desk.session()["author"] == "grace"


def test_notes_of_the_same_push_are_read(desk: Desk):
    desk.commit("a.txt")
    desk.ok("notes", "--ref", "micelio", "add", "-m", "asked by note")

    said = propose(desk, "refs/notes/micelio")

    assert [note["text"] for note in desk.session()["conversation"]] == ["asked by note"]
    assert "refs/notes/micelio" not in desk.refs()
    assert said.count(f"refs/sessions/{desk.session()['id']}") == 2
    propose(desk, "refs/notes/micelio", person="grace")
    assert "refs/notes/micelio" in desk.refs()


def test_what_cannot_be_proposed_is_refused(desk: Desk):
    assert "nothing to propose" in desk.refused("origin", "HEAD:refs/for/main")
    desk.commit("a.txt")
    assert "base64" in desk.refused("origin", "HEAD:refs/for/main", "-o", "prompt64=%%")
    desk.place.run(
        "update_project", "ada", organization="acme", project=desk.project, who_may_propose="members"
    )
    assert "Only members of acme" in desk.refused(desk.url("mallory"), "HEAD:refs/for/main")
