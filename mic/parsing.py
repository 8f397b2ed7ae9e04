"""Parsers of command lines: what all commands take, and how their help looks."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter, _SubParsersAction
from collections.abc import Callable
from inspect import getdoc
from types import ModuleType
from typing import Any


def parser(name: str, summary: str, module: ModuleType) -> ArgumentParser:
    """The parser of a command's module: its arguments and the ones that all take."""
    made = ArgumentParser(
        prog=name,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=getattr(module, "EXAMPLE", None),
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(made)
    if hasattr(module, "run"):
        made.set_defaults(run=module.run)
        _common(made)
    return made


def subcommands(made: ArgumentParser) -> "_SubParsersAction[ArgumentParser]":
    """Where a noun's verbs are added."""
    return made.add_subparsers(metavar="COMMAND", required=True)


def verb(
    verbs: "_SubParsersAction[ArgumentParser]", name: str, run: Callable[..., Any], example: str
) -> ArgumentParser:
    """One verb of a noun; the first line of its function's docstring is its help."""
    summary = (getdoc(run) or "").partition("\n")[0]
    made = verbs.add_parser(
        name,
        help=summary[0].lower() + summary[1:],
        description=f"{summary}.",
        epilog=f"example:\n  {example}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.set_defaults(run=run)
    _common(made)
    return made


def _common(made: ArgumentParser) -> None:
    common = made.add_argument_group("everywhere")
    common.add_argument("--json", action="store_true", help="answer with one JSON document")
    common.add_argument("--instance", metavar="URL", help="the forge to talk to")
    common.add_argument(
        "--insecure", action="store_true", help="send the token even when the way is not encrypted"
    )
    common.add_argument("-C", dest="folder", metavar="DIR", help="run as if started in this folder")
