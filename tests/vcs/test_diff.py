"""Text diffs are compared with `git diff --no-index`, which is what readers know."""

import random
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vcs.logs import Trees, blob
from tests.vcs.test_overlay import TREES
from vcs.diff import FileDiff, Status, TreeChange, count_lines, diff_texts, diff_trees, unified, word_marks
from vcs.objects import Entry

WORDS = [b"{", b"}", b"foo();", b"$x", b"", b"if (a) {", b"return", b"\\end"]


def repetitive(rng):
    return [rng.choice([b"a", b"b", b"c", b""]) for _ in range(rng.randrange(60))]


def code(rng):
    lines = []
    for _ in range(rng.randrange(1, 25)):
        indent = b"    " * rng.randrange(3)
        lines.append(indent + b"def f%d():" % rng.randrange(9))
        bodies = [b"x = %d" % rng.randrange(5), b"return", b"}", b"pass"]
        lines += [indent + b"    " + rng.choice(bodies) for _ in range(rng.randrange(1, 5))]
        lines += [b""] * rng.randrange(3)
    return lines


def tabbed(rng):
    return [b"\t" * rng.randrange(3) + rng.choice(WORDS) for _ in range(rng.randrange(200))]


def crowded(rng):
    return [b"%d" % rng.randrange(12) for _ in range(rng.randrange(600, 2000))]


def windows(rng):
    return [rng.choice([b"aa\r", b"b b", b"  c", b"d\r", b"", b"\xff\xfe"]) for _ in range(rng.randrange(90))]


def long_lines(rng):
    return [rng.choice([b"name " * 30, b"unique %d" % at, b""]) for at in range(rng.randrange(400))]


def edited(rng, lines):
    lines = list(lines)
    for _ in range(rng.choice([1, 2, 5, 20, 80])):
        at = rng.randrange(len(lines) + 1)
        end = min(len(lines), at + rng.randrange(8))
        match rng.randrange(5):
            case 0:
                del lines[at:end]
            case 1:
                lines[at:at] = [rng.choice(lines or [b"z"]) for _ in range(rng.randrange(1, 6))]
            case 2:
                lines[at:at] = lines[at:end]
            case 3:
                lines[at:end] = [b"new %d" % rng.randrange(50)]
            case 4:
                start = rng.randrange(len(lines) + 1)
                lines[at:at] = lines[start : start + rng.randrange(30)]
    if rng.random() < 0.05:
        rng.shuffle(lines)
    return lines


def joined(rng, lines):
    return b"\n".join(lines) + (b"\n" if rng.random() < 0.8 else b"")


def git_hunks(folder, old, new, *options):
    (folder / "old").write_bytes(old)
    (folder / "new").write_bytes(new)
    command = ["git", "diff", "--no-index", "--no-color", *options, "old", "new"]
    printed = subprocess.run(command, cwd=folder, capture_output=True).stdout
    return printed[printed.find(b"\n@@") + 1 :] if b"\n@@" in printed else b""


def our_hunks(file_diff):
    entry = Entry(b"100644", b"x", blob(b""))
    printed = unified(b"x", TreeChange(b"x", Status.MODIFIED, entry, entry), file_diff)
    return printed[printed.find(b"\n@@") + 1 :] if b"\n@@" in printed else b""


@pytest.mark.parametrize("kind", [repetitive, code, tabbed, crowded, windows, long_lines])
def test_two_hundred_pairs_agree_with_git_hunk_for_hunk(kind, tmp_path):
    for seed in range(34):
        rng = random.Random(f"{kind.__name__} {seed}")
        lines = kind(rng)
        old, new = joined(rng, lines), joined(rng, edited(rng, lines))

        ours = diff_texts(old, new)
        assert our_hunks(ours) == git_hunks(tmp_path, old, new), f"seed {seed}"
        assert count_lines(old, new) == (ours.additions, ours.deletions), f"seed {seed}"


@pytest.mark.parametrize("context", [0, 1, 10])
def test_other_amounts_of_context_agree_with_git(context, tmp_path):
    for seed in range(10):
        rng = random.Random(seed)
        lines = [b"line %d" % at for at in range(150)]
        old, new = joined(rng, lines), joined(rng, edited(rng, lines))

        assert our_hunks(diff_texts(old, new, context)) == git_hunks(tmp_path, old, new, f"-U{context}")


@given(st.lists(st.sampled_from([b"a\n", b"b\n", b"\n"])), st.lists(st.sampled_from([b"a\n", b"b\n", b"c"])))
def test_hunks_turn_the_old_text_into_the_new_one(old, new):
    before, after = b"".join(old), b"".join(new)
    result = diff_texts(before, after, context=1)
    lines = before.split(b"\n")
    kept = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    for hunk in reversed(result.hunks):
        start = hunk.old_start - (hunk.old_count > 0)
        kept[start : start + hunk.old_count] = [
            line.text + (b"" if line.no_newline else b"\n") for line in hunk.lines if line.kind != "-"
        ]

    assert b"".join(kept) == after
    assert count_lines(before, after) == (result.additions, result.deletions)
    assert result.additions == sum(line.kind == "+" for hunk in result.hunks for line in hunk.lines)
    assert result.deletions == sum(line.kind == "-" for hunk in result.hunks for line in hunk.lines)


def test_binary_files_have_no_hunks(tmp_path):
    assert diff_texts(b"a\0b", b"text\n") == FileDiff(binary=True)
    assert diff_texts(b"x" * 8000 + b"\0", b"y") != FileDiff(binary=True)
    assert diff_texts(b"a\0b", b"a\0b") == FileDiff()


@pytest.mark.parametrize(
    "path", [b"plain", b"with space", b'quo"te', b"new\nline", b"\xc3\xa9\xff", b"back\\slash"]
)
@pytest.mark.parametrize(
    ("old", "new", "modes"),
    [
        (b"", b"one\n", (None, b"100755")),
        (b"one\n", b"", (b"100644", None)),
        (b"one\ntwo", b"one\nthree\n", (b"100644", b"100644")),
        (b"same\n", b"same\n", (b"100644", b"100755")),
        (b"a\n", b"b\n", (b"100644", b"100755")),
    ],
)
def test_git_applies_what_unified_prints(path, old, new, modes, tmp_path):
    before, after = (
        Entry(mode, path, blob(text)) if mode else None for mode, text in zip(modes, (old, new), strict=True)
    )
    status = Status.ADDED if before is None else Status.DELETED if after is None else Status.MODIFIED
    patch = unified(path, TreeChange(path, status, before, after), diff_texts(old, new))
    file = tmp_path / "tree" / path.decode("utf-8", "surrogateescape")
    file.parent.mkdir()
    if before:
        file.write_bytes(old)

    done = subprocess.run(["git", "apply", "-"], input=patch, cwd=file.parent, capture_output=True)

    assert done.returncode == 0, done.stderr
    assert file.exists() == (after is not None)
    if after:
        assert file.read_bytes() == new
        assert bool(file.stat().st_mode & 0o100) == (after.mode == b"100755")


@pytest.mark.parametrize("alphabet", [2, 40])
def test_a_hostile_pair_of_files_ends(alphabet):
    rng = random.Random(alphabet)
    old, new = (b"".join(b"%d\n" % rng.randrange(alphabet) for _ in range(50_000)) for _ in range(2))

    result = diff_texts(old, new)

    assert result.additions == result.deletions > 0


@given(TREES, TREES)
def test_a_tree_diff_names_exactly_the_paths_that_differ(old, new):
    trees = Trees()

    changes = list(diff_trees(trees, trees.build(old), trees.build(new)))

    differing = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    assert [change.path for change in changes] == sorted(differing)
    for change in changes:
        assert (change.old and (change.old.mode, change.old.id)) == old.get(change.path)
        assert (change.new and (change.new.mode, change.new.id)) == new.get(change.path)


def test_a_file_that_became_a_link_changed_its_type():
    trees = Trees()
    old, new = trees.build({b"a": (b"100644", blob(b"x"))}), trees.build({b"a": (b"120000", blob(b"x"))})

    assert [change.status for change in diff_trees(trees, old, new)] == [Status.TYPE_CHANGED]


def test_marks_cover_the_words_that_differ():
    old, new = b"    return first + second", b"    return first - second * 2"

    left, right = word_marks(old, new)

    assert [old[start:end] for start, end in left] == [b"+"]
    assert [new[start:end] for start, end in right] == [b"-", b" * 2"]


def test_lines_with_little_in_common_get_no_marks():
    assert word_marks(b"import os", b"return None") == ((), ())


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_what_is_not_marked_is_the_same_on_both_sides(old, new):
    spans = word_marks(old, new)
    if spans == ((), ()):
        return

    def unmarked(line, marked):
        for start, end in reversed(marked):
            line = line[:start] + line[end:]
        return line

    assert unmarked(old, spans[0]) == unmarked(new, spans[1])
