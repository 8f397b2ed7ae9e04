import re

from backend.core.config import Settings
from backend.doors.manage import shown
from tests.house.tree import CHECKOUT

HIDDEN_DOOR = {"XDG_DATA_HOME", "MICELIO_FAULTS"}
"""Read, but not a setting of ours or only for tests."""
OTHER_NAMES = {"MICELIO_HOST", "PHX_HOST"}
"""Further names of MICELIO_URL."""


def read() -> set[str]:
    source = (CHECKOUT / "backend/core/config.py").read_text()
    return set(re.findall(r'env(?:\.get\(|, )"([A-Z0-9_]+)"', source)) - HIDDEN_DOOR


def test_every_setting_is_in_the_example_with_a_sentence():
    example = (CHECKOUT / ".env.example").read_text()
    explained = set()
    for block in example.split("\n\n"):
        names = re.findall(r"^#? ?([A-Z0-9_]+)=", block, re.MULTILINE)
        if names and re.match(r"# \w.*[.:]", block):
            explained |= set(names)

    assert explained == read()


def test_every_setting_is_shown_by_the_config_command(tmp_path):
    settings = Settings.from_environ({"MICELIO_DATA": str(tmp_path), "SECRET_KEY_BASE": "very secret"})

    assert set(shown(settings)) == read() - OTHER_NAMES
    assert "very secret" not in shown(settings).values()


def test_passwords_in_addresses_are_not_shown(tmp_path):
    settings = Settings.from_environ(
        {
            "MICELIO_DATA": str(tmp_path),
            "DATABASE_URL": "postgresql://forge:hush@db/micelio",
            "REDIS_URL": "redis://:hush@cache/0",
        }
    )

    assert not [value for value in shown(settings).values() if "hush" in value]
