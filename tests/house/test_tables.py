import ast
from pathlib import Path

from sqlmodel import SQLModel

import backend.migrations.models  # noqa: F401
from tests.house.tree import product


def test_every_table_is_a_record_or_a_projection():
    kept = {name: table.info.get("keeps") for name, table in SQLModel.metadata.tables.items()}

    assert {name: keeps for name, keeps in kept.items() if keeps not in ("record", "projection")} == {}


def test_only_its_own_slice_writes_a_table():
    homes = {
        node.name: name.parent
        for name, tree in product().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any(keyword.arg == "table" for keyword in node.keywords)
    }
    trespassers = [
        f"{name}:{line} writes {model} of {homes[model]}"
        for name, tree in product().items()
        for model, line in written(tree, set(homes))
        if not name.is_relative_to(homes[model]) and not is_rebuilding(name)
    ]

    assert trespassers == []


def written(tree: ast.Module, models: set[str]) -> list[tuple[str, int]]:
    """Models whose rows a module makes, updates or deletes."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in models:
            found.append((node.func.id, node.lineno))
        if (
            node.func.id in ("insert", "update", "delete")
            and node.args
            and isinstance(node.args[0], ast.Name)
        ):
            found += [(node.args[0].id, node.lineno)] if node.args[0].id in models else []
    return found


def is_rebuilding(name: Path) -> bool:
    """Doctor drops projections of everybody before their owners write them again."""
    return name == Path("backend/instance/doctor.py")
