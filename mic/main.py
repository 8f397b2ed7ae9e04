"""`mic`: from words to a command, from refusals to exit codes.

A command's module is imported when its word is said. Words said alone skip argparse where the
module says what its arguments are then: `mic status` is typed, and run by prompts, all day.
"""

import gc
import os
import sys
from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

COMMANDS = {
    "status": "show the session and what changed",
    "diff": "show changed lines",
    "session": "start, push, note, land and list sessions",
    "clone": "get a project as a workspace",
    "project": "create, list and show projects",
    "import": "import a git repository with its whole history",
    "export": "export a project as a git repository or bundle",
    "mirror": "have a project follow a repository elsewhere, or the other way round",
    "remote": "list, add and change other places of the history",
    "fetch": "bring what remotes have",
    "push": "push the trunk to a remote",
    "log": "show landings, newest first",
    "show": "show a landing, a file at a ref, or the session",
    "cat": "print a file of the base",
    "ls": "list files of the base",
    "org": "create and list organizations",
    "auth": "sign in and out, see who you are, make tokens",
    "config": "read and change settings",
}

EXAMPLES = """\
Begin with:
  mic auth login --instance https://forge.example.org
  mic clone https://forge.example.org/acme/notes
  mic session start "Explain the import order"
  mic session push
  mic session land --summary "The README explains it now."
"""


def main(words: list[str] | None = None) -> int:
    """Run one command line; returns its exit code."""
    own = words is None
    words = sys.argv[1:] if words is None else words
    try:
        code = _run(words)
        if own and "threading" not in sys.modules:
            # Nothing waits for its end; taking ten thousand records apart would only take time.
            sys.stderr.flush()
            os._exit(code)
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        sys.stdout = None
        return 0
    except Exception as error:
        # Refusals are looked for here and not in `except`, since importing them is slow.
        from vcs.errors import MicelioError

        if not isinstance(error, MicelioError):
            if isinstance(error, OSError) and error.filename is not None:
                print(f"mic: {error.filename}: {error.strerror}.", file=sys.stderr)
                return 1
            raise
        return _refused(error, as_json="--json" in words)


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        return _help(words[1:])
    if words[0] in ("--version", "-V"):
        from mic import __version__

        print(f"mic {__version__}")
        return 0
    if words[0] not in COMMANDS:
        return _unknown(words[0])
    module = _module(words[0])
    alone = getattr(module, "ALONE", None)
    args: Any
    if alone is not None and words[1:] in ([], ["--json"]):
        # Ten thousand records are no garbage; looking through them takes longer than reading them.
        gc.disable()
        args = SimpleNamespace(**alone, json=len(words) > 1)
    else:
        args = _parsed(words[0], module, words[1:])
    from mic.here import Here

    here = Here(args)
    try:
        code = args.run(here, args)
        sys.stdout.flush()
        return code or 0
    finally:
        here.close()


def _module(word: str) -> "ModuleType":
    # `import` is no name that a module can have.
    name = "importing" if word == "import" else word
    return __import__(f"mic.commands.{name}", fromlist=["run"])


def _parsed(word: str, module: "ModuleType", words: list[str]) -> "Any":
    from mic.parsing import parser

    return parser(f"mic {word}", COMMANDS[word], module).parse_args(words)


def _help(words: list[str]) -> int:
    if words:
        if words[0] not in COMMANDS:
            return _unknown(words[0])
        _parsed(words[0], _module(words[0]), [*words[1:], "--help"])
        return 0
    print("usage: mic COMMAND ...\n\nWork with projects on a Micelio forge.\n")
    for word, summary in COMMANDS.items():
        print(f"  {word:<9} {summary}")
    print(f"\n{EXAMPLES}\n`mic COMMAND --help` says more.")
    return 0


def _unknown(word: str) -> int:
    from difflib import get_close_matches

    near = get_close_matches(word, COMMANDS, 1)
    hint = f"Did you mean: mic {near[0]}" if near else "`mic help` lists what there is."
    print(f"mic: There is no command {word}. {hint}", file=sys.stderr)
    return 2


def _refused(error: "Any", *, as_json: bool) -> int:
    from mic import errors, render

    sys.stdout.flush()
    if as_json:
        code = getattr(error, "refusal", error.code)
        render.as_json(
            {"error": {"code": code, "sentence": error.sentence, "details": _plain(error.details)}}
        )
        sys.stdout.flush()
    print(f"mic: {error.sentence}".encode("utf-8", "replace").decode(), file=sys.stderr)
    for path in error.details.get("paths", []):
        if isinstance(path, dict) and "path" in path:
            by = (
                f"landing #{path['position']}: {path['goal']}" if path.get("position") else "landed meanwhile"
            )
            print(f"  {path['path']}  ({by})", file=sys.stderr)
    return errors.exit_code(error)


def _plain(details: "dict[str, Any]") -> "dict[str, Any]":
    kept = (str, int, float, bool, list, dict, type(None))
    return {name: value if isinstance(value, kept) else str(value) for name, value in details.items()}
