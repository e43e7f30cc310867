"""Imports point one way: frontend and runtime know the compiler; the compiler knows neither."""

import ast
import pathlib
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parents[1]
ALLOWED = {  # what each folder may import of the package
    "compiler": ("compiler",),
    "frontend": ("frontend", "compiler"),
    "runtime": ("runtime", "compiler.program", "compiler.types", "compiler.errors"),
    "src/chainrule": ("",),
}
ONLY_IN = {"sympy": "compiler", "numba": "runtime", "llvmlite": "runtime", "torch": "tests"}
FILES = [
    (folder, path)
    for folder in ALLOWED
    for path in sorted((ROOT / folder).glob("*.py" if folder.startswith("src") else "**/*.py"))
]


def imported(tree: ast.AST, package: list[str]) -> Iterator[tuple[int, str]]:
    """Line and name of each import, in functions and for type checkers too; `.` leads relatives."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                parts = ["", *package[: len(package) + 1 - level]] if level else []
                origin = ".".join([*parts, *([module] if module else [])])
                yield from ((node.lineno, f"{origin}.{alias.name}") for alias in names)
            case ast.Call(
                func=ast.Name("import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def complaints(source: str, folder: str, package: list[str]) -> Iterator[str]:
    """What the source of a file in this folder imports and may not."""
    allowed = ALLOWED[folder]
    for line, name in imported(ast.parse(source), package):
        head, _, rest = name.removeprefix(".").partition(".")
        if ONLY_IN.get(head, folder) != folder:
            yield f"{line}: {head} is for {ONLY_IN[head]}/ alone"
        elif head in ALLOWED:
            yield f"{line}: write chainrule.{name}, or there are two copies of it"
        elif head == "chainrule":
            home = rest.split(".")[0] if rest.split(".")[0] in ALLOWED else "src/chainrule"
            if name.startswith(".") and home != folder:
                yield f"{line}: write {head}.{rest} in full, it is another folder's"
            elif not any(f"{rest}.".startswith(f"{part}." if part else "") for part in allowed):
                yield f"{line}: {folder}/ may not import {head}.{rest}"


@pytest.mark.parametrize(("folder", "path"), FILES, ids=lambda x: str(x).removeprefix(f"{ROOT}/"))
def test_imports(folder: str, path: pathlib.Path) -> None:
    inner = path.relative_to(ROOT / folder).parent.parts
    package = ["chainrule", *([] if folder.startswith("src") else [folder]), *inner]
    assert list(complaints(path.read_text(), folder, package)) == []


@pytest.mark.parametrize(
    ("folder", "source"),
    [
        ("compiler", "from chainrule.frontend import tensor"),
        ("compiler", "from chainrule import model"),
        ("compiler", "from ..frontend import tensor"),
        ("compiler", "if TYPE_CHECKING:\n    import chainrule.runtime.cache"),
        ("compiler", "def late():\n    import numba.core"),
        ("compiler", "import compiler.types"),
        ("frontend", "from chainrule.runtime import cache"),
        ("frontend", "import sympy"),
        ("frontend", "from ..compiler import types"),
        ("runtime", "from chainrule.compiler import autodiff"),
        ("runtime", "from chainrule.compiler.program_other import Program"),
        ("runtime", "import chainrule.frontend"),
        ("runtime", "importlib.import_module('sympy')"),
        ("src/chainrule", "from numba import njit"),
        ("src/chainrule", "from .compiler.errors import UsageError"),
    ],
)
def test_a_wrong_import_is_seen(folder: str, source: str) -> None:
    package = ["chainrule"] if folder.startswith("src") else ["chainrule", folder]
    assert len(list(complaints(source, folder, package))) == 1
