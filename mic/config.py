"""Settings of `mic`: the one place that reads the environment.

What wins: a flag, then `MICELIO_INSTANCE` and `MICELIO_TOKEN`, then `.mic/config` of the
workspace, then `config.toml` in `$MIC_HOME` (`~/.config/mic`). Both files are TOML.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mic.errors import DamagedWorkspace, Usage

DEFAULT_INSTANCE = "http://localhost:4000"

Table = dict[str, Any]


def home() -> Path:
    """The folder of what belongs to a person rather than to a workspace."""
    given = os.environ.get("MIC_HOME")
    if given:
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "mic"


def instance_from_environment() -> str:
    """`MICELIO_INSTANCE`, or nothing."""
    return os.environ.get("MICELIO_INSTANCE", "")


def token_from_environment() -> str:
    """`MICELIO_TOKEN`, or nothing."""
    return os.environ.get("MICELIO_TOKEN", "").strip()


def colours_wanted() -> bool:
    """Whether the environment leaves colours on (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def environment_of_git() -> dict[str, str]:
    """What a git that works for the person sees: theirs, but no repository around us and no prompt."""
    repository = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR",
                  "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE")  # fmt: skip
    own = {name: value for name, value in os.environ.items() if name not in repository}
    return {**own, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def read(path: Path) -> Table:
    """A settings file; nothing when there is none."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DamagedWorkspace(f"{path} is not TOML: {error}. Mend it in an editor.") from None


def write(path: Path, table: Mapping[str, Any]) -> None:
    """Replace a settings file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text("\n".join(_lines(table, ())), "utf-8")
    draft.replace(path)


def get(table: Mapping[str, Any], key: str) -> Any:
    """The value of a dotted key, or None."""
    found: Any = table
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def put(table: Table, key: str, value: Any) -> None:
    """Set a dotted key, or remove it with None."""
    *folders, last = key.split(".")
    if not all(part.replace("-", "_").isidentifier() for part in (*folders, last)):
        raise Usage(problem=f"{key!r} is not the name of a setting. Names look like user.name.")
    for part in folders:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise Usage(problem=f"{part} of {key} is a value, so nothing can be below it.")
    if value is None:
        table.pop(last, None)
    else:
        table[last] = value


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every value under its dotted key, in the order of keys."""
    found: dict[str, Any] = {}
    for name, value in sorted(table.items()):
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    values = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    lines = [f"[{'.'.join(path)}]"] if path and values else []
    lines += [f"{name} = {_value(value)}" for name, value in values.items()]
    lines += [""] if lines else []
    for name, value in table.items():
        if isinstance(value, Mapping):
            lines += _lines(value, (*path, name))
    return lines


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped) + '"'
