"""A sample of each of PyTorch's operators; `python -m tests.oracle.operators` has all.

The table says how the arguments of an operator become ours, or why there is nothing to compare.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

import chainrule as cr

from .operators.absent import ABSENT
from .operators.compare import (
    WAYS,
    Outcome,
    compare,
    judge,
    prepare,
    run,
)
from .operators.row import Row, Uncompared
from .operators.samples import database, first_samples
from .operators.tables import ROWS, TABLES

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(
        importlib.util.find_spec("expecttest") is None, reason="PyTorch's samples need expecttest"
    ),
    pytest.mark.filterwarnings("ignore"),  # of PyTorch's deprecated functions
]
KNOWN = "2.13."
STRIDE = 11  # of every so many operators a sample runs natively too, all in one program


@pytest.fixture(scope="module")
def operators() -> dict[str, Any]:
    return database()


def test_every_operator_is_in_the_table_once(operators: dict[str, Any]) -> None:
    assert sum(map(len, TABLES)) == len(ROWS)
    assert not ROWS.keys() & ABSENT.keys()
    if torch.__version__.startswith(KNOWN):
        assert operators.keys() == ROWS.keys() | ABSENT.keys()


@pytest.mark.parametrize("name", ROWS)
def test_the_first_sample(name: str, operators: dict[str, Any]) -> None:
    if name not in operators:
        pytest.skip(f"this PyTorch has no {name}")
    operator, row = operators[name], ROWS[name]
    outcomes = [compare(operator, row, sample) for sample in first_samples(operator, 1)]
    assert outcomes
    assert not [line for outcome in outcomes for line in outcome.wrong]


def test_natively(operators: dict[str, Any]) -> None:
    cases = []
    for i, name in enumerate(list(ROWS)[::STRIDE]):
        for sample in first_samples(operators[name], 1) if name in operators else ():
            try:
                cases.append(prepare(operators[name], ROWS[name], sample, f"s{i}"))
            except Uncompared:
                continue
    assert len(cases) > 30
    for case, found in zip(cases, run(cases, "cpu"), strict=True):
        assert not judge(case, found).wrong, case.operator.name


def of_sine(ours: Any, operators: dict[str, Any]) -> Outcome:
    return compare(operators["sin"], Row(ours), first_samples(operators["sin"], 1)[0])


def test_a_wrong_row_is_found_in_every_way(operators: dict[str, Any]) -> None:
    assert [line.split(":")[0] for line in of_sine(cr.cos, operators).wrong] == list(WAYS)


def test_a_wrong_derivative_is_not_excused(operators: dict[str, Any]) -> None:
    outcome = of_sine(lambda x: cr.straight_through(cr.sin(x), x), operators)
    assert [line.split(":")[0] for line in outcome.wrong] == list(WAYS[1:])
    assert not outcome.inaccurate


def test_many_digits_say_that_pytorch_rounds(operators: dict[str, Any]) -> None:
    # Its derivative of hardsigmoid is the float32 nearest to 1/6.
    name = "nn.functional.hardsigmoid"
    outcomes = [compare(operators[name], ROWS[name], s) for s in first_samples(operators[name], 3)]
    assert [line.split(":")[0] for o in outcomes for line in o.inaccurate] == [
        "gradient",
        "forward mode",
    ]


def test_what_is_not_ours_is_refused_with_a_reason(operators: dict[str, Any]) -> None:
    name = "linalg.matrix_norm"
    reasons = {
        compare(operators[name], ROWS[name], s).reason for s in first_samples(operators[name], 64)
    }
    assert reasons == {"", "a norm of singular values"}
