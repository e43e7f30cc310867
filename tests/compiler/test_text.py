"""A graph as text and back."""

import time

import numpy as np
import pytest
from hypothesis import given, strategies as st

from chainrule.compiler import ops  # noqa: F401
from chainrule.compiler.errors import FileError, UnknownNameError
from chainrule.compiler.ir import (
    OPS,
    Graph,
    Node,
    const,
    evaluate,
    leaf,
    located,
    make,
)
from chainrule.compiler.ops.arithmetic import square, where
from chainrule.compiler.ops.base import Scalar
from chainrule.compiler.ops.convert import cast, iota, size
from chainrule.compiler.ops.elementary import exp, tanh
from chainrule.compiler.ops.linear import matmul
from chainrule.compiler.ops.reduce import MEAN, sum
from chainrule.compiler.ops.shape import pad, slice_
from chainrule.compiler.ops.special import sigmoid
from chainrule.compiler.targets import known, target
from chainrule.compiler.text import parse, show
from chainrule.compiler.types import TensorType, Where, floordiv, mul, symbol

BATCH = symbol("batch")


def tensor(name: str = "x", *shape: object, dtype: str = "float32") -> Node:
    return leaf(name, TensorType(dtype, shape or (BATCH, 3)), "input")  # type: ignore[arg-type]


def swish(**more: object) -> Scalar:
    return Scalar("swish", formula=lambda z: z * sigmoid(z), **more)  # type: ignore[arg-type]


def layer() -> Graph:
    x = leaf("x", TensorType("float32", (BATCH, 3)), "input", Where("net.py", 3))
    w = leaf("W1", TensorType("float32", (3, 4)), "param", Where("net.py", 5, "dense_1"))
    with located(Where("net.py", 5, "dense_1")):
        z = matmul(x, w)
        h = tanh(z)
    loss = make(MEAN, (square(h),), axes=(0, 1))
    return Graph(
        "layer", (x,), (w,), (), (("loss", loss),), ((w, w - 0.5 * w),), {z: "z1", h: "h1"}
    )


def test_a_line_a_node() -> None:
    assert show(layer()) == (
        "graph layer\n"
        "%x = input x : f32[batch, 3]  @ net.py:3\n"
        "%W1 = param W1 : f32[3, 4]  @ net.py:5 dense_1\n"
        '%z1 = contract(%x, %W1) left="ab" out="ac" right="bc" : f32[batch, 4]'
        "  @ net.py:5 dense_1\n"
        "%h1 = tanh(%z1) : f32[batch, 4]  @ net.py:5 dense_1\n"
        "%4 = square(%h1) : f32[batch, 4]\n"
        "%5 = mean(%4) axes=(0, 1) : f32[]\n"
        "%6 = const 0.5 : f32[]\n"
        "%7 = multiply(%6, %W1) : f32[3, 4]\n"
        "%8 = subtract(%W1, %7) : f32[3, 4]\n"
        "inputs %x\n"
        "params %W1\n"
        "output loss %5\n"
        "update %W1 %8\n"
    )


def test_the_text_does_not_depend_on_identities() -> None:
    assert layer() == layer()
    assert layer().leaves != layer().leaves


def graph(*outputs: Node, names: dict[Node, str] | None = None) -> Graph:
    leaves = Graph("g", outputs=tuple((f"y{i}", y) for i, y in enumerate(outputs)))
    inputs = tuple(node for node in leaves.nodes() if node.op.name == "leaf")
    return Graph("g", inputs, outputs=leaves.outputs, names=names or {})


X = tensor()
ROUND_TRIPS = {
    "layer": layer(),
    "row": graph(swish()(X)),
    "row with gradient": graph(swish(grads=lambda out, z: (out + sigmoid(z) * (1 - out),))(X)),
    "row with stable spelling": graph(swish(stable=lambda z: z / (1 + exp(-z)))(X)),
    "two rows of one name": graph(swish()(X) + Scalar("swish", formula=lambda z: z * 2)(X)),
    "row called as a built-in": graph(Scalar("tanh", formula=lambda z: z * 2)(X)),
    "row called like code": graph(Scalar('x"); import os', formula=lambda z: z * 2)(X)),
    "rows in rows": graph(Scalar("outer", formula=lambda z: swish()(z) + 1)(X)),
    "row of two": graph(Scalar("rate", arity=2, formula=lambda a, b: a / (1 + b))(X, square(X))),
    "row without derivative": graph(swish(grads=lambda out, z: (None,))(X)),
    "constants": graph(*(X * value for value in (0.1, -0.0, 1e-30, float("inf"), -3.0))),
    "nan": graph(X * float("nan")),
    "integers": graph(tensor("i", 4, dtype="int64") * 3, const(-7, "int32"), const(True, "bool")),
    "sizes": graph(size(mul(BATCH, BATCH), "float32"), iota(floordiv(BATCH, 2))),
    "floor division": graph(slice_(X, starts=(0, 1), stops=(BATCH, 3), steps=(2, 1))),
    "pad": graph(pad(X, lows=(1, 0), highs=(0, BATCH), inner=(0, 0), value=0.5)),
    "cast": graph(cast(X, "float64"), where(X > 0, X, cast(cast(X, "int32"), "float32"))),
    "odd symbols": graph(tensor("x", symbol("inf"), symbol("true"), symbol("a b"), symbol("`"))),
    "names twice": graph(exp(X), tanh(X), names={exp(X): "h", tanh(X): "h"}),
    "odd names": graph(exp(X), names={exp(X): 'lambda x: "%0"'}),
    "numbers as names": graph(exp(X), names={exp(X): "0"}),
    "name of a leaf": graph(exp(X), names={X: "other"}),
    "leaves of one name": graph(tensor("a") + tensor("a")),
    "sum": graph(sum(X, axes=(1,))),
    "odd place": graph(leaf("x", TensorType("float32"), "input", Where("a b @ :3.py", 3, "x y"))),
}


@pytest.mark.parametrize("case", ROUND_TRIPS)
def test_round_trip(case: str) -> None:
    text = show(ROUND_TRIPS[case])
    assert show(parse(text)) == text


@pytest.mark.parametrize("case", ["row", "row with stable spelling", "rows in rows"])
def test_a_parsed_row_computes_the_same(case: str) -> None:
    before = ROUND_TRIPS[case]
    after = parse(show(before))
    values = [[-1.5, 0.0, 2.0]]
    (expected,) = evaluate(before.roots, {before.inputs[0]: values})
    (result,) = evaluate(after.roots, {after.inputs[0]: values})
    assert result.tolist() == expected.tolist()


def test_a_parsed_row_has_its_dtype() -> None:
    before = graph(Scalar("step", formula=lambda z: cast(z > 0.5, z.dtype) * 2.0)(X))
    row = parse(show(before)).outputs[0][1]
    assert {node.dtype for node in graph(row.op.expand(row)).nodes()} == {"float32", "bool"}  # type: ignore[arg-type]


def test_a_parsed_row_keeps_its_derivative() -> None:
    before = graph(swish(grads=lambda out, z: (out + 2 * z,))(X))
    node = parse(show(before)).outputs[0][1]
    gradient = Graph("g", outputs=(("d", node.op.derivatives(node)[0]),))  # type: ignore[attr-defined]
    assert "add(%1, %3) : f32[batch, 3]" in show(gradient)


def test_rows_may_name_each_other() -> None:
    sine = Scalar("sine", formula=lambda x: x, grads=lambda out, x: (cosine(x),))
    cosine = Scalar("cosine", formula=lambda x: x, grads=lambda out, x: (-sine(x),))
    text = show(graph(sine(X)))
    assert text.count("row ") == 2
    assert show(parse(text)) == text


def test_different_derivatives_are_different_graphs() -> None:
    one, two = swish(grads=lambda out, z: (z,)), swish(grads=lambda out, z: (2 * z,))
    assert graph(one(X)) != graph(two(X))


def test_lines_of_constants_are_left_out() -> None:
    with located(Where("a.py", 1)):
        first = X + 0.123
    with located(Where("b.py", 2)):
        second = X * 0.123
    assert "0.123 : f32[]\n" in show(graph(first)) + show(graph(second))


GOOD = show(layer()).splitlines()


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (4, "%z1 = contrakt(%x, %W1) : f32[batch, 4]", "did you mean 'contract'"),
        (5, "%h1 = tanh(%z2) : f32[batch, 4]", "%z2 is not defined above"),
        (5, "%h1 = tanh(%z1) : f64[batch, 4]", "%h1 is f32[batch, 4], the line says f64[batch, 4]"),
        (5, "%h1 = tanh(%z1, %z1) : f32[batch, 4]", "tanh takes 1 operands, 2 given"),
        (5, "%h1 = tanh(%z1) : f31[batch, 4]", "unknown dtype f31"),
        (5, "%h1 = tanh(%z1) : f32[batch, 4] more", "expected the end of the line, came more"),
        (5, "%h1 = tanh(%z1 : f32[batch, 4]", "expected ,, came :"),
        (5, "%h1 = tanh(%z1) : f32[batch, 4]  @ here", "'here' is no place"),
        (5, "%z1 = tanh(%z1) : f32[batch, 4]", "%z1 is defined twice"),
        (7, "%6 = const __import__('os') : f32[]", "no number"),
        (7, "%6 = const 'a' : f32[]", "unexpected"),
        (6, "%4 = mean(%h1) : f32[]", "axes"),
        (10, "inputz %x", "unexpected inputz"),
        (10, "row swish(%x: f64) {", "does not end"),
    ],
)
def test_errors_name_the_line(line: int, text: str, message: str) -> None:
    lines = [*GOOD[: line - 1], text, *GOOD[line:]]
    with pytest.raises(FileError) as caught:
        parse("\n".join(lines))
    assert f"line {line}:" in str(caught.value)
    assert message in str(caught.value)


def test_no_graph() -> None:
    with pytest.raises(FileError, match="without a name"):
        parse("")


def test_an_unknown_op_is_an_error() -> None:
    class Odd(type(OPS["sum"])):  # type: ignore[misc]
        name = "odd"

    with pytest.raises(ValueError, match="odd cannot be written"):
        show(graph(make(Odd(), (X,), axes=(0,))))


def test_ten_thousand_nodes_take_less_than_half_a_second() -> None:
    y = X
    for i in range(5_000):
        y = tanh(y) + float(i)
    large = graph(y)
    start = time.process_time()
    text = show(large)
    assert time.process_time() - start < 0.5
    assert text.count("\n") > 10_000


def grown(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    """Graphs with shared nodes, reductions and products, for the properties below."""
    binary = st.sampled_from(["add", "multiply", "maximum", "less"])
    return st.one_of(
        st.builds(tanh, inner),
        st.builds(lambda name, x, y: _floating(OPS[name](x, y)), binary, inner, inner),
        st.builds(lambda x: sum(x, axes=(0,)) if x.shape else x, inner),
        st.builds(lambda x: matmul(x, x) if x.type.ndim == 1 else x, inner),
        st.builds(lambda x: swish()(x), inner),
    )


def _floating(x: Node) -> Node:
    return cast(x, "float32")


LEAVES = st.sampled_from([tensor("a", 3), tensor("b", 2, 3), tensor("a", 3), const(0.3, "float32")])


@given(st.recursive(LEAVES, grown, max_leaves=20), st.text(max_size=5))
def test_any_graph_reads_back_and_computes_the_same(node: Node, name: str) -> None:
    before = graph(node, names={node: name})
    after = parse(show(before))
    assert show(after) == show(before)
    arrays = [
        np.full([d for d in x.shape if isinstance(d, int)], 0.1 * (i + 1), np.float32)
        for i, x in enumerate(before.inputs)
    ]
    (expected,) = evaluate(before.roots, dict(zip(before.inputs, arrays, strict=True)))
    (result,) = evaluate(after.roots, dict(zip(after.inputs, arrays, strict=True)))
    np.testing.assert_array_equal(result, expected)


def test_unknown_targets() -> None:
    assert {"cpu", "numpy"} <= set(known())
    with pytest.raises(UnknownNameError, match="did you mean 'numpy'"):
        target("nunpy")


def test_a_number_belongs_to_no_line() -> None:
    """All who write it share it, so what it says must not depend on who was first."""
    with located(Where("first.py", 1)):
        shared = const(0.123456789, "float64")
    with located(Where("second.py", 2)):
        assert const(0.123456789, "float64") is shared
    assert shared.where is None
