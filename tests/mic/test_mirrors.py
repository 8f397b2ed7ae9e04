"""`mic mirror set`: what is named changes, and what is not stays."""

import io


def test_settings_and_credentials_of_a_mirror_are_changed_one_by_one(notes, monkeypatch):
    copy = notes.ok("mirror", "add", "push", "http://127.0.0.1:9/copy.git", "--overwrite", "--json").json

    def changed(*words, said=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(said))
        found = notes.ok("mirror", "set", copy["id"], *words, "--json").json
        return found["interval_minutes"], found["prune"], found["overwrite"], found["credentials"]

    assert changed("--minutes", "30", "--prune") == (30, True, True, False)
    assert changed("--username", "ada", "--token-stdin", said="secret\n") == (30, True, True, True)
    assert changed("--no-overwrite") == (30, True, False, True)
    assert changed("--no-token", "--no-prune") == (30, False, False, False)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert notes("mirror", "set", copy["id"], "--token-stdin").code == 2
