"""Random graphs of every function and every op: values, derivatives, texts, programs.

A function without a line in the tables fails here. `python -m tests.properties.fuzz` goes on for
as long as it is told to.
"""

from __future__ import annotations

import gc
import inspect
import random
from collections.abc import Iterator
from functools import cache, lru_cache

import pytest

import chainrule as cr
from chainrule.compiler.ir import CONST, LEAF, OPS, Node, walk
from chainrule.compiler.ops.algebra import Matrix
from chainrule.compiler.ops.gradient import GRADIENT, TAYLOR
from chainrule.compiler.ops.steps import everywhere, with_steps
from chainrule.compiler.passes.differentiate import Differentiate
from chainrule.compiler.passes.lower import Lower
from chainrule.compiler.targets import target as find_target

from . import checks
from .growth import ORDINARY, Growth
from .lines import LINES, grown, several, trained

GRAPHS, PROGRAMS = range(32), range(2)
TARGETS = ("numpy", "cpu")
# Functions of tensors live in these modules; what is no function of tensors is named.
HOMES = ("functions.", "derivatives.")
FORMULAS = ("activations", "losses", "metrics")


def public_functions() -> set[str]:
    """What a user may call on tensors, as the tables name it."""
    found = {f"linalg.{name}" for name in cr.linalg.__all__ if not hasattr(cr, name)}
    found |= {f"random.{name}" for name in cr.random.__all__}
    homes: dict[str, str] = cr._HOMES  # type: ignore[attr-defined]
    for name, home in homes.items():
        place = home.removeprefix("chainrule.frontend.")
        if place.startswith(HOMES) and inspect.isfunction(getattr(cr, name)):
            found.add(name)
        if place in FORMULAS and place != name:
            found.add(f"{'activations' if place == 'activations' else 'losses'}.{name}")
    return found


def test_every_public_function_has_a_line() -> None:
    assert public_functions() - LINES.keys() == set()


@cache
def met(name: str) -> frozenset[str]:
    """The ops of a line, of its gradient, and of what these expand to, in a few graphs."""
    found: set[str] = set()
    for attempt in range(12):
        growth = Growth(random.Random(f"{name}/{attempt}"), cases=(ORDINARY,))
        if not growth.grow(name, LINES[name]) or not growth.tops():
            continue
        asked = checks.subject(growth, orders=1)
        plain = everywhere(Differentiate(), asked.graph)
        found |= ops_of([*asked.graph.roots, *plain.roots])
        if any(isinstance(OPS.get(op), Matrix) for op in found):
            found |= ops_of(Lower(find_target("cpu").spells)(plain).roots)
        if attempt >= 4:
            break
    return frozenset(found)


def ops_of(roots: list[Node] | tuple[Node, ...]) -> set[str]:
    return {node.op.name for node in with_steps(walk(roots))}


@pytest.mark.parametrize("name", LINES)
def test_a_line_finds_operands(name: str) -> None:
    assert met(name)


def test_every_op_is_met() -> None:
    found = {op for name in LINES for op in met(name)}
    # Rows are replaced in what optimizers do alone: tests/compiler/test_row_updates.py.
    assert OPS.keys() - found == {"replace_rows"}
    assert {op.name for op in (LEAF, CONST, GRADIENT, TAYLOR)} <= found


@lru_cache(maxsize=4)
def oracle(number: int) -> checks.Oracle:
    return checks.Oracle(checks.subject(grown(number)))


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """Nodes that live on would lend their lines to equal ones of other tests."""
    yield
    oracle.cache_clear()
    gc.collect()


@pytest.mark.parametrize("number", GRAPHS)
def test_derivatives(number: int) -> None:
    checks.derivatives(oracle(number), checks.Tally())


@pytest.mark.parametrize("number", GRAPHS)
def test_stages_keep_values_and_types(number: int) -> None:
    checks.stages(oracle(number), checks.Tally(), (0, 1))


@pytest.mark.parametrize("number", GRAPHS)
def test_texts_are_read_back(number: int) -> None:
    checks.texts(oracle(number))


@pytest.mark.parametrize("number", GRAPHS)
def test_numpy(number: int) -> None:
    checks.programs([oracle(number)], "numpy", checks.Tally())
    checks.alone(oracle(number), "numpy", checks.Tally())


@pytest.mark.parametrize("number", GRAPHS)
def test_lifting(number: int) -> None:
    checks.lifting(oracle(number).subject, checks.Tally())


@pytest.mark.parametrize("number", GRAPHS[::8])
def test_programs_are_those_of_the_text(number: int) -> None:
    checks.sources(oracle(number).subject)


@pytest.mark.parametrize("number", PROGRAMS)
def test_cpu(number: int) -> None:
    checks.programs(several(number, count=3, orders=1), "cpu", checks.Tally())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("number", PROGRAMS)
def test_an_epoch_is_its_steps(number: int, target: str) -> None:
    checks.training(trained(number), target, checks.Tally())


def test_comparisons_say_something() -> None:
    """Nearly all elements are compared, and of a wrong program some differ."""
    tally = checks.Tally()
    for number in GRAPHS[::10]:
        checks.derivatives(oracle(number), tally)
        checks.stages(oracle(number), tally)
    assert all(tally.left[check] <= 0.2 * tally.compared[check] for check in tally.compared)
    expected = oracle(0).expected(0)
    wrong = [array + 1e-3 if array.dtype.kind == "f" else array for array in expected.arrays]
    with pytest.raises(AssertionError, match="wrong"):
        checks.agree("wrong", oracle(0).subject.outputs, expected, wrong, tally)
