"""Our scripts as modules of the bundle, where components import them from.

Reflex's `asset(shared=True)` finds the folder by reading the sources of the whole call stack, which was
half of what a web process did before it answered. All our scripts lie here, so nothing has to be found:
`frontend.build` links them into `assets/external`, one copy each, and serving touches no file.
"""

from pathlib import Path

HERE = Path(__file__).parent
FOLDER = Path("external", *__name__.split(".")[:-1])


def script(name: str) -> str:
    """What a component gives as its `library`."""
    return f"$/public/{FOLDER / name}"


def link_scripts(assets: Path) -> None:
    """Lay links to the scripts of today, and of today only, where the bundler looks."""
    folder = assets / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.rglob("*.js"):
        old.unlink()
    for source in HERE.glob("*.js"):
        (folder / source.name).symlink_to(source)
