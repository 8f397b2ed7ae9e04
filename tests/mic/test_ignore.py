"""Ignore rules mean what git means by them."""

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mic.ignore import Rules

NAMED = [
    ("*.pyc", ["a.pyc", "d/b.pyc", "a.py"]),
    ("/top", ["top", "d/top"]),
    ("d/", ["d/x", "e/d"]),
    ("a/**/b", ["a/b", "a/x/b", "a/x/y/b", "x/a/b"]),
    ("**/deep", ["deep", "x/deep", "x/y/deep"]),
    ("out/**", ["out/a", "out/b/c", "out2"]),
    ("foo**bar", ["foobar", "fooxbar", "foo/bar"]),
    ("*\n!keep", ["keep", "drop", "d/keep"]),
    ("/*\n!/d\n/d/*\n!/d/keep", ["a", "d/keep", "d/drop"]),
    ("[a-c]x\n[!a]y\n[]-]z\n[[:digit:]]w", ["ax", "dx", "by", "ay", "]z", "-z", "5w", "ww"]),
    ("\\#hash\n\\!bang\n# comment", ["#hash", "!bang", "# comment"]),
    ("trail   \nkept\\ ", ["trail", "trail   ", "kept ", "kept"]),
    ("crlf\r", ["crlf"]),
    ("\ufeffbom", ["bom"]),
    ("x[", ["x[", "x"]),
    ("back\\", ["back", "back\\"]),
    ("d/*.txt", ["d/a.txt", "d/e/a.txt", "a.txt"]),
    ("ünï*", ["ünïcode", "plain"]),
    ("/", ["a"]),
    ("?.c", ["a.c", "ab.c"]),
]


@pytest.mark.parametrize(("rules", "paths"), NAMED, ids=[repr(rules) for rules, _ in NAMED])
def test_rules_mean_what_git_means(tmp_path, rules, paths):
    assert ours(tmp_path, rules.encode(), paths) == gits(tmp_path, rules.encode(), paths)


ATOMS = st.sampled_from([*"ab*?/!\\-. ", "**", "[a-b]", "[!a]", "[", "]", "#", "**/", "/**"])
GLOBS = st.lists(ATOMS, min_size=1, max_size=6).map("".join)
PATHS = ["a", "b", "ab", "a/b", "b/a", "a/b/a", "ab/ab", "a b", "a-b", "-", "!a", "#a", "a.b", "a\\", "]"]


@given(st.lists(GLOBS, min_size=1, max_size=4).map("\n".join))
@settings(max_examples=100, deadline=None)
def test_any_rules_mean_what_git_means(tmp_path_factory, rules):
    folder = tmp_path_factory.mktemp("tree")
    assert ours(folder, rules.encode(), PATHS) == gits(folder, rules.encode(), PATHS)


def test_rules_of_a_deeper_folder_come_first_and_micignore_has_the_last_word(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "d/.gitignore").write_text("!*.log\n")
    (tmp_path / "d/.micignore").write_text("b.log\n")
    rules = Rules(str(tmp_path))

    assert rules.ignored("", "a.log", is_folder=False)
    assert not rules.ignored("d/", "a.log", is_folder=False)
    assert rules.ignored("d/", "b.log", is_folder=False)


def test_everything_below_an_ignored_folder_is_ignored(tmp_path):
    (tmp_path / ".gitignore").write_text("build/\n!build/keep\n")

    assert Rules(str(tmp_path)).ignored("build/deep/", "keep", is_folder=False)


def ours(folder, rules, paths):
    (folder / ".gitignore").write_bytes(rules)
    found = Rules(str(folder))
    return [path for path in paths if found.ignored(*parts(path), is_folder=False)]


def parts(path):
    parent, slash, name = path.rpartition("/")
    return parent + slash, name


def gits(folder, rules, paths):
    if not (folder / ".git").exists():
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (folder / ".gitignore").write_bytes(rules)
    told = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=folder,
        input=b"\0".join(os.fsencode(path) for path in paths),
        capture_output=True,
        check=False,
    )
    found = {os.fsdecode(path) for path in told.stdout.split(b"\0")}
    return [path for path in paths if path in found]
