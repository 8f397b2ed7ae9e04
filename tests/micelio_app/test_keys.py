"""The table of keys is true: each is hung on a control or read by a script, and the guide has them all."""

from pathlib import Path

import pytest

import micelio_app.pages  # noqa: F401  hangs the keys of every page
from micelio_app import keys

CHECKOUT = Path(__file__).parents[2]
SCRIPTS = "".join(
    path.read_text()
    for folder in ("assets", "micelio_app/ui")
    for path in sorted((CHECKOUT / folder).glob("*.js"))
)
SPELLED = {
    "Esc": '"Escape"',
    "↑": "ArrowUp:",
    "↓": "ArrowDown:",
    "Ctrl": "event.ctrlKey",
    "K": '"k"',
    "E": '"e"',
    "P": '"p"',
}
"""How scripts write a key, where it is not the key's own name in quotes."""


def test_every_key_is_hung_on_a_control_or_read_by_a_script():
    for place in keys.KEYS.values():
        for key in place:
            if " ".join(key.names) in keys.HUNG:
                continue
            for name in key.names:
                assert SPELLED.get(name, f'"{name}"') in SCRIPTS, name


def test_only_keys_of_the_table_are_hung():
    with pytest.raises(KeyError):
        keys.drives("g", "q")


def test_the_guide_is_the_table():
    assert (CHECKOUT / "docs/guides/keys.md").read_text() == keys.as_markdown()
