"""Every error that the package raises has its three lines: what, the detail, and a hint."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from chainrule.compiler import errors

ROOT = Path(__file__).parents[1]
FILES = [
    path
    for folder in ("compiler", "frontend", "runtime", "src/chainrule")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "src/chainrule/" not in path.as_posix() or path.parent.name == "chainrule"
]
KINDS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.ChainruleError)
}


def raised(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
            yield node


def lines(call: ast.Call) -> int:
    """How many of the three lines a call gives, as far as can be told without running it."""
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return 3
    given = [*call.args[:3], *(k.value for k in call.keywords if k.arg in ("detail", "hint"))]
    return sum(not (isinstance(x, ast.Constant) and not x.value) for x in given)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_three_lines(path: Path) -> None:
    calls = raised(ast.parse(path.read_text(encoding="utf-8")))
    assert [call.lineno for call in calls if lines(call) < 3] == []


def test_there_are_many() -> None:
    assert sum(1 for path in FILES for _ in raised(ast.parse(path.read_text("utf-8")))) > 150
