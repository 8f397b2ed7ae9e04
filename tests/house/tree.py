"""The tracked files of this checkout, as house tests look at them."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
GENERATED = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")


@cache
def tracked() -> tuple[Path, ...]:
    """Every tracked file that is there, relative to the checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=True).stdout
    names = [Path(name) for name in listed.decode().split("\0") if name]
    return tuple(name for name in names if (CHECKOUT / name).is_file())


def texts() -> Iterator[tuple[Path, str]]:
    """Every tracked file that is text, with its text."""
    for name in tracked():
        try:
            yield name, (CHECKOUT / name).read_text()
        except UnicodeDecodeError:
            continue


@cache
def modules() -> dict[Path, ast.Module]:
    """Every Python file that a person wrote, parsed."""
    written = [name for name in tracked() if name.suffix == ".py" and not name.name.endswith(GENERATED)]
    return {name: ast.parse((CHECKOUT / name).read_text()) for name in written}


def product() -> dict[Path, ast.Module]:
    """`modules` without the tests."""
    return {name: tree for name, tree in modules().items() if name.parts[0] != "tests"}
