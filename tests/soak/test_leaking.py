"""Leaks, in the small: as `make soak`, with fewer landings."""

from tests.soak.leaking import Work, leak


def test_landings_watchers_and_aborted_uploads_leave_nothing_behind(tmp_path):
    leaked = leak(tmp_path / "data", Work(40, 50, 150), Work(100, 500, 200))

    assert leaked.wrong == [], str(leaked)
