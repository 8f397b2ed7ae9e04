"""What a process holds of projects: those asked for last, and no more however many there are."""

from backend.core.context import OPEN_PROJECTS
from backend.projects import code
from vcs.log import SegmentRef
from vcs.objects import Entry, new_id
from vcs.reading import TreeCache
from vcs.segments import Entries, Footer, Frame
from vcs.staging import StagedFiles
from vcs.store import MemoryStore


class Held:
    closed = 0

    def close(self):
        self.closed += 1


def test_the_project_not_asked_for_longest_is_let_go_and_closed(forge):
    first, again, kept = new_id(), new_id(), Held()
    oldest = forge.project_part(first, "a", Held)
    forge.project_part(again, "a", lambda: kept)
    for _ in range(OPEN_PROJECTS - 1):
        forge.project_part(new_id(), "a", Held)
        assert forge.project_part(again, "a", Held) is kept
    assert (oldest.closed, kept.closed) == (1, 0)
    assert forge.project_part(first, "a", Held) is not oldest


def test_what_is_forgotten_of_a_project_is_closed(forge):
    project = new_id()
    held = forge.project_part(project, "a", Held)
    forge.forget_project(project)
    forge.forget_project(project)
    assert held.closed == 1


def test_projects_share_what_they_keep_in_memory(forge):
    one, other = (code.repository(forge, id, id) for id in (new_id(), new_id()))
    assert one.frames is other.frames and one._trees is other._trees


def test_trees_of_one_project_are_not_those_of_another_and_the_oldest_go():
    entries = tuple(Entry(b"100644", b"%d" % n, "0" * 64) for n in range(10))
    trees = TreeCache(limit=40 * 320)
    for number in range(6):
        trees.keep("ours", str(number), entries)
    assert trees.get("ours", "5") == entries and trees.get("theirs", "5") is None
    assert [number for number in range(6) if trees.get("ours", str(number))] == [3, 4, 5]
    trees.clear("ours")
    assert trees.get("ours", "5") is None


def test_footers_of_staged_files_are_remembered_by_their_weight():
    project = new_id()
    staged = StagedFiles(MemoryStore(), project, project)
    long = Footer(tuple(Frame(n, 1, 1) for n in range(5120)), Entries(b""))
    keys = [f"pools/{project}/files/{project}/{number:02}.seg" for number in range(40)]
    for key in keys:
        staged.keep(SegmentRef(key, 1, "0" * 64), long)
    assert list(staged._known) == keys[-8:]
