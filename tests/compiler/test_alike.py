"""Kernels that are the same but for their arrays have one function, and no others have."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.errors import IndexOutOfRange
from chainrule.compiler.explain.provenance import explain
from chainrule.compiler.ir import Graph, Node, const, evaluate, leaf, located, make
from chainrule.compiler.ops import index, linear, reduce
from chainrule.compiler.ops.elementary import exp, tanh
from chainrule.compiler.ops.gradient import gradient
from chainrule.compiler.passes.differentiate import Differentiate
from chainrule.compiler.passes.lower import Lower
from chainrule.compiler.program import Program
from chainrule.compiler.targets.cpu import TARGET
from chainrule.compiler.trace import Trace
from chainrule.compiler.types import TensorType, Where, symbol
from chainrule.runtime.devices import load

BATCH = symbol("batch")


def tensor(name: str, *dims: Any, role: Any = "input", dtype: str = "float64") -> Node:
    return leaf(name, TensorType(dtype, dims), role)


def emit(graph: Graph) -> Program:
    return TARGET.emit(Lower(TARGET.spells)(graph), "0" * 32)


def functions(program: Program) -> list[ast.FunctionDef]:
    """The kernels of a module."""
    defined = [x for x in ast.parse(program.source).body if isinstance(x, ast.FunctionDef)]
    return [x for x in defined if x.name not in ("step", "epoch")]


def taken(x: Node, places: Node, line: int) -> Node:
    with located(Where("net.py", line)):
        return make(index.TAKE, (x, places), axis=0)


A, B, W, V = tensor("a", 3, 4), tensor("b", 3, 4), tensor("w", 4, 5), tensor("v", 4, 5)
FIRST, SECOND = linear.matmul(A, W), linear.matmul(B, V)
PLACES, OTHERS = tensor("i", 2, dtype="int64"), tensor("j", 2, dtype="int64")


@pytest.mark.parametrize(
    ("outputs", "count"),
    [
        pytest.param((FIRST, SECOND), 1, id="products"),
        pytest.param((exp(FIRST), exp(SECOND)), 1, id="products and loops"),
        pytest.param((exp(FIRST), tanh(SECOND)), 2, id="functions"),
        pytest.param((FIRST * 2.0, SECOND * 2.0), 1, id="equal constants"),
        pytest.param((FIRST * 2.0, SECOND * 3.0), 2, id="constants"),
        pytest.param((FIRST * 0.0, SECOND * -0.0), 2, id="signs of zero"),
        pytest.param((FIRST * FIRST, SECOND * SECOND), 1, id="equal operands"),
        pytest.param((A * B, W * W), 2, id="one operand twice"),
        pytest.param((FIRST, linear.matmul(B, tensor("u", 4, 6))), 2, id="shapes"),
        pytest.param((exp(A), exp(tensor("c", 3, 4, dtype="float32"))), 2, id="dtypes"),
        pytest.param((reduce.sum(A, axes=(0,)), reduce.sum(B, axes=(0,))), 1, id="sums"),
        pytest.param((reduce.sum(A, axes=(0,)), reduce.max(B, axes=(0,))), 2, id="reductions"),
        pytest.param((taken(A, PLACES, 1), taken(B, OTHERS, 2)), 1, id="faults"),
    ],
)
def test_what_is_alike(outputs: tuple[Node, Node], count: int) -> None:
    named = tuple((f"y{i}", y) for i, y in enumerate(outputs))
    leaves = tuple(x for x in Graph("g", outputs=named).nodes() if x.op.name == "leaf")
    assert len(functions(emit(Graph("g", leaves, (), (), named)))) == count


def test_a_fault_is_that_of_its_use() -> None:
    outputs = (("y0", taken(A, PLACES, 1)), ("y1", taken(B, OTHERS, 2)))
    executable = load(emit(Graph("g", (A, PLACES, B, OTHERS), outputs=outputs)))
    a, b = np.ones((3, 4)), np.zeros((3, 4))
    good, bad = np.array([0, 2]), np.array([0, 3])
    np.testing.assert_array_equal(executable.call(a, good, b, good)[0], a[good])
    for places, others, line in ((bad, good, 1), (good, bad, 2)):
        with pytest.raises(IndexOutOfRange) as raised:
            executable.call(a, places, b, others)
        assert f"net.py:{line}" in str(raised.value)


def deep() -> tuple[Graph, Trace]:
    """A step down the gradient of five layers, of which four are alike."""
    h = x = tensor("x", BATCH, 2)
    params: list[Node] = []
    names: dict[Node, str] = {}
    for i in range(1, 6):
        params.append(tensor(f"W{i}", 2 if i == 1 else 3, 3, role="param"))
        h = tanh(linear.matmul(h, params[-1]))
        names[h] = f"h{i}"
    loss = reduce.sum(h * h, axes=(0, 1))
    names[loss] = "L"
    one = const(1, "float64")
    updates = tuple((w, w - gradient(loss, w, one) * 0.1) for w in params)
    request = Graph("deep", (x,), tuple(params), (), (("loss", loss),), updates, names)
    trace = Trace()
    return Differentiate()(request, trace), trace


def test_a_stack_of_layers_runs() -> None:
    graph, _ = deep()
    program = emit(graph)
    assert len(functions(program)) < len(program.kernels)
    random = np.random.default_rng(0)
    values = {x: random.normal(size=(5, 2)) for x in graph.inputs}
    values |= {w: random.normal(size=[int(str(d)) for d in w.shape]) for w in graph.params}
    roots = [node for _, node in graph.outputs] + [new for _, new in graph.updates]
    expected = evaluate(roots, values)
    arrays = {x.attr("name"): value.copy() for x, value in values.items()}
    executable = load(program)
    (loss, *_) = executable.call(*(arrays[buffer.name] for buffer in executable.given))
    np.testing.assert_allclose(loss, expected[0], rtol=1e-12)
    for (target, _), wanted in zip(graph.updates, expected[1:], strict=True):
        np.testing.assert_allclose(arrays[target.attr("name")], wanted, rtol=1e-12)


def test_every_use_has_its_own_provenance() -> None:
    graph, trace = deep()
    program = emit(graph)
    (first,) = [kernel for kernel in program.kernels if "h2" in kernel.writes]
    (fourth,) = [kernel for kernel in program.kernels if "h4" in kernel.writes]
    assert (fourth.name, fourth.source) == (first.name, first.source)
    assert (first.formula, fourth.formula) == ("h2 = tanh(h1 W2)", "h4 = tanh(h3 W4)")
    assert {"h3", "W4"} <= set(fourth.reads)
    function = next(x for x in functions(program) if x.name == first.name)
    lines = program.source.splitlines()
    above = lines[function.lineno - 6 : function.lineno - 2]
    assert above == ["# h2 = tanh(h1 W2)", "# likewise", "# h3", "# h4"]
    shown = str(explain("dL_dW4", graph, trace, program))
    assert "W4 <- " in shown
    assert "W5 <- " not in shown


def test_no_array_is_given_twice_to_a_kernel() -> None:
    program = emit(deep()[0])
    calls = [x for x in ast.walk(ast.parse(program.source)) if isinstance(x, ast.Call)]
    names = {function.name for function in functions(program)}
    seen = [x for x in calls if isinstance(x.func, ast.Name) and x.func.id in names]
    assert len(seen) == len(program.kernels)
    for call in seen:
        given = [x.id for x in call.args if isinstance(x, ast.Name)]
        assert len(set(given)) == len(given) == len(call.args)
