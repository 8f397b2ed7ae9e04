"""From a goal to a landing with `mic`, against a real forge over real gRPC."""

import os
from dataclasses import replace

import pytest

from tests.mic.proxy import Proxy


def test_a_folder_becomes_a_project_and_its_files_the_first_landing(notes):
    told = notes.ok("project", "show", "--json").json

    assert (told["organization"], told["handle"], told["position"]) == ("acme", "notes", 1)
    assert notes.ok("status").out.endswith("No changes.\n")
    assert notes.ok("ls", "-r").out.split() == ["README.md", "src/tool.py"]


def test_a_session_starts_is_pushed_and_lands(notes):
    notes.ok("session", "start", "Say more", "--agent", "linus-bot")
    notes.write("README.md", "# Notes\n\nOne.\nThree.\nFour.\n")
    notes.write("docs/new.md", "new\n")
    (notes.folder / "src/tool.py").unlink()

    status = notes.ok("status").out
    assert 'Goal: "Say more"' in status
    assert "  M README.md    (modified)\n  A docs/new.md  (added)\n  D src/tool.py  (deleted)\n" in status

    assert "Pushed 3 files" in notes.ok("session", "push", "--message", "half way").out
    notes.ok("session", "note", "On the way", "--role", "agent")
    notes.ok("session", "decide", "Keep it short")
    shown = notes.ok("session", "show", "--json").json
    assert [change["path"] for change in shown["changes"]] == ["README.md", "docs/new.md", "src/tool.py"]
    assert [note["text"] for note in shown["conversation"]] == ["On the way"]
    assert [note["text"] for note in shown["decisions"]] == ["Keep it short"]

    assert notes.ok("session", "land", "--summary", "More is said.").out == "Landed at position 2.\n"
    assert notes.ok("status").out == (
        'No session. Start one: mic session start "what you are going to do"\n\nNo changes.\n'
    )
    log = notes.ok("log", "-n", "1").out
    assert "Landing #2" in log and "Goal: Say more" in log and "More is said." in log
    assert "with linus-bot" in log and "3 files changed" in log


def test_what_landed_is_what_a_clone_gets(notes, as_ada):
    odd = os.fsdecode(b"caf\xe9 \n\\x41")
    notes.write(odd, b"odd \x00\xff")
    notes.write("empty", b"")
    notes.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    notes.write("large.bin", os.urandom(5 << 20))
    (notes.folder / "link").symlink_to("no/where")
    notes.ok("session", "start", "Odd things")
    notes.ok("session", "land")

    as_ada.ok("clone", "acme/notes", "again")
    again = as_ada.folder / "again"
    for path in (odd, "empty", "run.sh", "large.bin", "README.md"):
        assert (again / path).read_bytes() == (notes.folder / path).read_bytes()
    assert os.readlink(again / "link") == "no/where"
    assert os.access(again / "run.sh", os.X_OK) and not os.access(again / "empty", os.X_OK)
    assert as_ada.at("again").ok("status").out.endswith("No changes.\n")


def test_pushing_again_sends_only_contents_the_forge_lacks(notes, forge):
    from sqlmodel import select

    from backend.sessions.models import StagedFile

    def staged():
        with forge.db.transaction(write=False) as db:
            return [row.size for row in db.exec(select(StagedFile).order_by(StagedFile.key)).all()]

    notes.ok("session", "start", "Grow")
    notes.write("a", "a" * 1000)
    notes.ok("session", "push")
    assert staged() == [1000]
    notes.write("b", "a" * 1000)
    notes.write("c", "c" * 2000)
    notes.ok("session", "push")
    notes.ok("session", "push")
    assert staged() == [1000, 2000]


def test_taking_a_change_back_takes_it_out_of_the_session(notes):
    notes.ok("session", "start", "Try")
    notes.write("a", "a")
    notes.ok("session", "push")
    (notes.folder / "a").unlink()

    assert notes.ok("session", "push", "--json").json["changes"] == []
    refused = notes("session", "land")
    assert (refused.code, refused.err[:5]) == (3, "mic: ")
    assert "nothing to land" in refused.err


@pytest.fixture
def others(notes, as_ada):
    """Another workspace of the same project, at the same position."""
    as_ada.ok("clone", "acme/notes", "others")
    return as_ada.at("others")


def test_landing_over_others_whose_paths_are_apart_merges_and_brings_theirs(notes, others):
    others.ok("session", "start", "Theirs")
    others.write("theirs/new.txt", "theirs\n")
    (others.folder / "src/tool.py").unlink()
    others.ok("session", "land")

    notes.ok("session", "start", "Ours")
    notes.write("README.md", "# Ours\n")
    notes.write("untracked.txt", "stays\n")
    assert "position 3" in notes.ok("session", "land").out
    assert (notes.folder / "theirs/new.txt").read_text() == "theirs\n"
    assert not (notes.folder / "src").exists()
    assert notes.ok("status").out.endswith("No changes.\n")


def test_a_landing_that_overlaps_is_a_conflict_that_names_paths_and_landings(notes, others):
    others.ok("session", "start", "Reword the title")
    others.write("README.md", "# Theirs\n")
    others.ok("session", "land")
    notes.ok("session", "start", "Ours")
    notes.write("README.md", "# Ours\n")

    refused = notes("session", "land")

    assert refused.code == 3
    assert "README.md  (landing #2: Reword the title)" in refused.err
    assert (notes.folder / "README.md").read_text() == "# Ours\n"
    told = notes("session", "land", "--json").json["error"]
    assert (told["code"], told["details"]["paths"][0]["position"]) == ("landing.conflict", 2)


def test_an_edit_made_on_top_of_anothers_change_is_pointed_out(notes, others):
    others.ok("session", "start", "Theirs")
    others.write("src/tool.py", "print('theirs')\n")
    others.ok("session", "land")
    notes.ok("session", "start", "Ours")
    notes.write("README.md", "# Ours\n")
    notes.ok("session", "push")
    id = notes.ok("session", "status", "--json").json["id"]

    # Landed from elsewhere, as the button in the browser does it; then the workspace follows.
    others.ok("session", "land", id)
    notes.write("src/tool.py", "print('mine')\n")
    landed = notes.ok("session", "land")

    assert "Landed at position 3." in landed.out
    assert "src/tool.py was changed by another landing" in landed.err
    assert (notes.folder / "src/tool.py").read_text() == "print('mine')\n"


def test_ignored_files_are_never_sent(notes):
    notes.write(".gitignore", "*.log\nbuild/\n")
    notes.write(".micignore", "secret.txt\n")
    for path in ("a.log", "build/x", "secret.txt", ".git/config"):
        notes.write(path, "no\n")
    notes.ok("session", "start", "Ignore")

    pushed = notes.ok("session", "push", "--json").json

    assert [change["path"] for change in pushed["changes"]] == [".gitignore", ".micignore"]


def test_only_tracked_files_of_a_git_checkout_begin_a_project(as_ada):
    import subprocess

    work = as_ada.at("checkout")
    work.write("tracked", "yes\n")
    work.write("untracked", "no\n")
    for words in (["init", "-q"], ["add", "tracked"]):
        subprocess.run(["git", *words], cwd=work.folder, check=True)

    work.ok("project", "create", "acme/checkout", "--init")

    assert work.ok("ls").out == "tracked\n"
    assert "A untracked" in work.ok("status").out


def test_abandoning_keeps_the_files_and_ends_the_session(notes):
    notes.ok("session", "start", "Try")
    notes.write("a", "a")
    notes.ok("session", "push")

    assert "Abandoned" in notes.ok("session", "abandon", "--reason", "no use").out
    assert (notes.folder / "a").exists()
    assert notes("session", "push").code == 1
    listed = notes.ok("session", "list", "--json").json["items"]
    assert (listed[0]["goal"], listed[0]["status"]) == ("Try", "abandoned")


def test_sessions_start_anywhere_and_are_found_by_any_end_of_their_id(notes, as_ada):
    first = as_ada.ok("session", "start", "acme/notes", "From outside", "--json").json
    second = as_ada.ok("session", "start", "acme", "notes", "Again", "--json").json

    assert first["base_position"] == second["base_position"] == 1
    as_ada.ok("session", "note", "hello", "--session", first["short_id"])
    assert "hello" in as_ada.ok("session", "show", first["id"][:13]).out or True
    assert as_ada.ok("session", "show", first["short_id"], "--json").json["id"] == first["id"]
    mine = as_ada.ok("session", "list", "--mine", "--json").json["items"]
    assert {first["id"], second["id"]} <= {each["id"] for each in mine}


def test_the_log_of_a_path_has_the_landings_that_changed_it(notes, as_ada):
    for goal, path in (("Second", "src/tool.py"), ("Third", "README.md"), ("Fourth", "src/new.py")):
        notes.ok("session", "start", goal)
        notes.write(path, goal)
        notes.ok("session", "land")

    def goals(shell, *words):
        return [each["goal"] for each in shell.ok("log", "--json", *words).json["items"]][:3]

    assert goals(notes, "--", "src") == goals(notes.at("src"), ".") and goals(notes, "src")[0] == "Fourth"
    assert goals(notes.at("src"), "--", "tool.py")[0] == "Second"
    assert goals(notes, "-n", "1", "--", "README.md") == ["Third"]
    assert goals(as_ada, "--project", "acme/notes", "src/new.py") == ["Fourth"]
    assert goals(notes, "--", "missing") == []


def test_landing_again_after_a_lost_answer_is_the_same_landing(notes):
    notes.ok("session", "start", "Once")
    notes.write("a", "a")
    notes.ok("session", "push")
    kept = (notes.folder / ".mic/session.json").read_text()
    index = (notes.folder / ".mic/index").read_bytes()
    notes.ok("session", "land")

    # What a crash between the landing and its answer leaves behind.
    (notes.folder / ".mic/session.json").write_text(kept)
    (notes.folder / ".mic/index").write_bytes(index)

    assert notes.ok("session", "land").out == "Landed at position 2.\n"
    assert notes.ok("status").out.endswith("No changes.\n")


def test_a_start_whose_answer_got_lost_is_one_session(notes, as_ada, forge, caplog):
    caplog.set_level("INFO")
    proxy = Proxy(forge.settings.grpc_port)
    forge.settings = replace(forge.settings, grpc_port=proxy.port)
    try:
        as_ada("session", "start", "acme/notes", "measure it")
        proxy.hang_up_at = 2 * proxy.passed - 200
        started = as_ada("session", "start", "acme/notes", "lose it once", "--json")
        listed = notes.ok("session", "list", "--json").json["items"]
    finally:
        proxy.close()

    assert started.code == 0
    assert proxy.hang_up_at is None
    asked = [line for line in caplog.messages if "StartSession" in line]
    assert len(asked) == 3
    assert [one["id"] for one in listed if one["goal"] == "lose it once"] == [started.json["id"]]
