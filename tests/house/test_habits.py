import ast

from tests.house.tree import modules, product, tracked

VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}


def test_every_file_has_a_name_that_says_what_is_in_it():
    assert [str(name) for name in tracked() if name.suffix == ".py" and name.stem in VAGUE] == []


def test_only_config_files_read_the_environment():
    readers = [
        f"{name}:{node.lineno}"
        for name, tree in product().items()
        if name.name != "config.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in {("os", "environ"), ("os", "getenv"), ("os", "putenv")}
    ]

    assert readers == []


def test_annotations_are_not_postponed():
    postponed = [
        str(name)
        for name, tree in modules().items()
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]

    assert postponed == [], "postponed annotations break SQLModel's relationships"


def test_every_package_is_one():
    folders = {name.parent for name in product() if len(name.parts) > 1 and "versions" not in name.parts}

    assert sorted(str(folder) for folder in folders if folder / "__init__.py" not in product()) == []


def test_nothing_is_raised_or_passed_over_as_bare_exception():
    raised = [
        f"{name}:{node.lineno}"
        for name, tree in product().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
        and node.exc.func.id in {"Exception", "BaseException"}
    ]
    silenced = [
        f"{name}:{node.lineno}"
        for name, tree in product().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})
        )
        and all(isinstance(step, ast.Pass | ast.Continue) for step in node.body)
    ]

    assert raised + silenced == []
