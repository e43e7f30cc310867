"""The public names: loaded when first used, seen by type checkers, helpful when mistyped."""

import ast
import pathlib
import pkgutil
import subprocess
import sys
import tomllib

import pytest

import chainrule as cr

ROOT = pathlib.Path(__file__).parents[1]
STUB = ROOT / "src" / "chainrule" / "__init__.pyi"
NAMES = sorted(set(dir(cr)) - {"__version__"})
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())
HEAVY = {"llvmlite", "numba", "scipy", "sklearn", "sympy", "torch"}
MEASURE = """
import sys, time
start = time.process_time()
import chainrule
print(time.process_time() - start, *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_the_import_is_fast_and_loads_nothing_heavy() -> None:
    runs = [
        subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    seconds = min(float(run.stdout.split()[0]) for run in runs)  # the others met a busy machine
    assert seconds < 0.15
    assert HEAVY.isdisjoint(runs[0].stdout.split()[1:])


def test_type_checkers_take_the_names_as_exported() -> None:
    imports = [
        node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ImportFrom)
    ]
    aliases = [alias for node in imports for alias in node.names]
    assert [alias.name for alias in aliases if alias.asname != alias.name] == []
    assert sorted(alias.name for alias in aliases) == NAMES


def test_the_names_are_installed() -> None:
    assert STUB.name in CONFIG["tool"]["setuptools"]["package-data"]["chainrule"]


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_loads(name: str) -> None:
    assert getattr(cr, name) is getattr(cr, name)


def test_no_function_has_the_name_of_a_module_beside_it() -> None:
    modules = {module.name for module in pkgutil.iter_modules(cr.__path__)}
    assert modules.isdisjoint(
        set(NAMES) - {"datasets"}
    )  # the module, once imported, would take the name


def test_the_version_is_the_installed_one() -> None:
    assert cr.__version__ == "0.1.0"


def test_a_mistyped_name_gets_the_nearest() -> None:
    wrong = "datasest"
    with pytest.raises(AttributeError, match=r"'datasest'; did you mean 'datasets'\?"):
        getattr(cr, wrong)


def test_of_many_names_some_are_listed() -> None:
    wrong = "Zzz9"
    with pytest.raises(AttributeError, match=r"known: Activation, .* and \d+ more$"):
        getattr(cr, wrong)


def test_a_name_with_underscores_is_not_taken_for_a_mistake() -> None:
    assert not hasattr(cr, "__wrapped__")
