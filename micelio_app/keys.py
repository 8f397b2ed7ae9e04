"""Keys: what is done without a mouse, in one table.

The dialog behind `?`, the hints at controls and `docs/guides/keys.md` are made of it. A key of a control is
hung there with `drives`, and `assets/shell.js` presses whatever on the page carries it; the other keys
have their own script.
"""

from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """Where keys work, in the words of the dialog."""

    ANYWHERE = "Anywhere"
    PALETTE = "While searching"
    PROJECT = "In a project"
    CODE = "Files and commits"
    SESSION = "In a session"


@dataclass(frozen=True)
class Key:
    """One or two keys, pressed together after each other or in turn, and what they do."""

    names: tuple[str, ...]
    does: str


KEYS: dict[Place, tuple[Key, ...]] = {
    Place.ANYWHERE: (
        Key(("?",), "These keys"),
        Key(("Ctrl", "K"), "Search, jump and act; Cmd K on a Mac"),
        Key(("/",), "Search"),
        Key(("g", "h"), "Home"),
        Key(("Esc",), "Close, or leave a field"),
    ),
    Place.PALETTE: (
        Key(("↑", "↓"), "Choose"),
        Key(("Enter",), "Open; with Ctrl in a new tab"),
        Key((">",), "Actions only"),
        Key(("@",), "People only"),
        Key(("#",), "A landing of this project by its number"),
    ),
    Place.PROJECT: (
        Key(("t",), "Find a file"),
        Key(("g", "f"), "Files"),
        Key(("g", "t"), "Landings"),
        Key(("g", "s"), "Sessions"),
    ),
    Place.CODE: (Key(("y",), "Make the address one of exactly this landing or commit"),),
    Place.SESSION: (
        Key(("e", "E"), "Next, previous error"),
        Key(("p", "P"), "Next, previous prompt"),
        Key(("End",), "Follow"),
    ),
}

HUNG: set[str] = set()
"""Keys that `drives` has hung on a control."""


def drives(*names: str) -> dict[str, str]:
    """The attributes of a control that these keys press. KeyError when the table does not have them."""
    if names not in {key.names for keys in KEYS.values() for key in keys}:
        raise KeyError(names)
    name = " ".join(names)
    HUNG.add(name)
    return {"data-key": name}


def as_markdown() -> str:
    """`docs/guides/keys.md`."""
    parts = [
        "# Keys",
        "`?` shows those of the page you are on. They act on what is on the page, never while you type.",
    ]
    for place, keys in KEYS.items():
        rows = [f"| {' '.join(f'`{name}`' for name in key.names)} | {key.does} |" for key in keys]
        parts += [f"## {place}", "\n".join(["| key | does |", "|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"
