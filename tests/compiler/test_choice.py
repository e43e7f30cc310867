"""Choices in the graph: their meaning, their text, what is given to them, and merging."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.autodiff import backward
from chainrule.compiler.errors import FileError, ShapeError
from chainrule.compiler.ir import OPS, Graph, Node, const, evaluate, fresh, leaf, walk
from chainrule.compiler.ops.choice import COND, choose, chosen
from chainrule.compiler.ops.elementary import exp, log
from chainrule.compiler.ops.scan import Body, scan, step
from chainrule.compiler.passes.merge import Merge
from chainrule.compiler.pipeline import derive, lower
from chainrule.compiler.text import parse, show
from chainrule.compiler.types import TensorType

F64 = "float64"


def tensor(name: str, *shape: int, role: Any = "input", dtype: str = F64) -> Node:
    return leaf(name, TensorType(dtype, shape), role)


def logarithm() -> Graph:
    """The logarithm of x above 0, else x e^x, with two derivatives."""
    x = tensor("x")
    outside = exp(x)
    with fresh() as made:
        then, otherwise = [log(x), x], [x * outside, const(0, F64)]
    y, other = choose(OPS["greater"](x, const(0, F64)), then, otherwise, made)
    slope = backward(y, [x], const(1, F64))[x]
    curve = backward(slope, [x], const(1, F64))[x]
    outputs = (("y", y), ("slope", slope), ("curve", curve), ("other", other))
    return Graph("logarithm", inputs=(x,), outputs=outputs)


@pytest.mark.parametrize("x", [-1.5, 0.0, 2.0])
def test_a_choice_is_what_python_would_do(x: float) -> None:
    graph = logarithm()
    right = [np.log(x), 1 / x, -1 / x**2, x] if x > 0 else [x, x + 1, x + 2, 0] * np.exp([x] * 4)
    for changed in (graph, derive(graph), Merge()(graph), lower(derive(graph), "cpu")):
        found = evaluate(changed.roots, {graph.inputs[0]: np.array(x)})
        np.testing.assert_allclose(found, right, rtol=1e-14)


def test_text_has_both_graphs() -> None:
    graph = logarithm()
    for shown in (show(graph), show(derive(graph))):
        assert " then=step#" in shown
        assert show(parse(shown)) == shown
    for wrong, message in (("step#77", "step#77 is not defined"), ("7", "line"), ("none", "line")):
        with pytest.raises(FileError, match=message):
            parse(show(graph).replace("then=step#1", f"then={wrong}"))
    with pytest.raises(FileError, match="no result -1"):
        parse(show(graph).replace("index=0", "index=-1"))


def test_only_what_was_there_before_is_given() -> None:
    graph = logarithm()
    y = graph.roots[0]
    assert [x.op.name for x in y.operands[1:]] == ["leaf", "exp"]
    assert {x.op.name for x in walk(y.attr("then").outputs)} == {"leaf", "log"}


def test_equal_choices_are_one_node() -> None:
    x = tensor("x")
    condition = OPS["greater"](x, const(0, F64))

    def made_anew() -> Node:
        with fresh() as made:
            c = tensor("c", role="placeholder")
            steps = scan([c], [c * x], [const(1, F64)], [], 3, False)
            then, otherwise = [steps[0]], [x + 1]
        return choose(condition, then, otherwise, made)[0]

    assert made_anew() is made_anew()


def test_nodes_of_a_block_are_its_own() -> None:
    x = tensor("x")
    before = exp(x)
    with fresh() as made:
        inside = exp(x)
        assert inside is exp(x)
        with fresh() as inner:
            assert exp(x) in inner
            assert exp(x) is not inside
    assert inside in made
    assert before not in made
    assert exp(x) is before


def test_what_a_block_made_does_not_outlive_it() -> None:
    x = tensor("x")
    with fresh() as made:
        then, otherwise = [exp(x) * 2], [log(x)]
    y = choose(OPS["greater"](x, const(0, F64)), then, otherwise, made)
    inside = weakref.ref(then[0])
    assert inside() is not None
    del made, then, otherwise
    gc.collect()
    assert inside() is None
    assert y


def test_what_nobody_wants_is_left_out() -> None:
    x, k = tensor("x"), tensor("k")
    flag = tensor("flag", dtype="bool")
    with fresh() as made:
        then, otherwise = [x * 2, exp(k)], [x * 3, k]
    first, _ = choose(flag, then, otherwise, made)
    graph = Merge()(Graph("g", inputs=(x, k, flag), outputs=(("y", first),)))
    assert graph.roots[0].operands == (flag, x)
    assert len(graph.roots[0].attr("then").outputs) == 1


def test_numbers_go_inside() -> None:
    flag, x, k = tensor("flag", dtype="bool"), tensor("x"), const(3, F64)
    own = [tensor(name, role="placeholder") for name in "xk"]
    then, otherwise = step(own, [own[0] * own[1]]), step(own, [own[1]])
    (y,) = chosen((flag, x, k), then, otherwise)
    graph = Merge()(Graph("g", inputs=(flag, x), outputs=(("y", y),)))
    (node,) = (node for node in graph.nodes() if node.op is COND)
    assert node.operands == (flag, x)
    assert evaluate([node], {flag: np.array(True), x: np.array(2.0)}) == [6]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flag": tensor("flag")}, "the condition is f64"),
        ({"x": tensor("x", 2)}, "it is given f64\\[2\\]"),
        ({"otherwise": lambda x: OPS["isnan"](x)}, "give different types"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    x = tensor("x", role="placeholder")
    then, otherwise = (step([x], [rule(x)]) for rule in (exp, change.get("otherwise", lambda x: x)))
    flag = change.get("flag", tensor("flag", dtype="bool"))
    with pytest.raises(ShapeError, match=message):
        chosen((flag, change.get("x", tensor("x"))), then, Body(then.inputs, otherwise.outputs))
