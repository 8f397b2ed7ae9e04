"""Answers that are kept: which of them go when their disk is full."""

from vcs.git.answers import Answers

MEGABYTE = 1 << 20


def written(answers, key, size=2 * MEGABYTE):
    answer, new = answers.find("project", key)
    assert new
    answer.write(bytes(size))
    answer.finish()
    answers.settle("project", key, answer)
    answer.leave()


def is_kept(answers, key):
    found = answers.known("project", key)
    if found is not None:
        found.leave()
    return found is not None


def test_the_least_recently_used_goes_first(tmp_path):
    answers = Answers(tmp_path, limit=5 * MEGABYTE)
    written(answers, "a")
    written(answers, "b")
    assert is_kept(answers, "a")

    written(answers, "c")

    assert [key for key in "abc" if is_kept(answers, key)] == ["a", "c"]
    assert answers.bytes_on_disk == sum(path.stat().st_size for path in tmp_path.rglob("[abc]"))
    assert answers.bytes_on_disk == 4 * MEGABYTE


def test_what_is_kept_is_known_after_a_restart(tmp_path):
    written(Answers(tmp_path, limit=5 * MEGABYTE), "a")

    again = Answers(tmp_path, limit=5 * MEGABYTE)

    assert is_kept(again, "a") and again.bytes_on_disk == 2 * MEGABYTE
