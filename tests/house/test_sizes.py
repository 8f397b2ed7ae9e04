import ast

from tests.house.tree import CHECKOUT, modules

LONGEST_FILE = 700
LONGEST_FUNCTION = 60


def test_no_file_is_longer_than_can_be_kept_in_mind():
    lengths = {name: len((CHECKOUT / name).read_text().splitlines()) for name in modules()}

    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_function_is_longer_than_a_screen():
    long = [
        f"{name}:{node.lineno} {node.name} has {length} lines"
        for name, tree in modules().items()
        if "versions" not in name.parts  # a migration is one long list
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]

    assert long == []
