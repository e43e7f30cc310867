"""Source for NumPy: what each operation becomes, and that it is the reference bit for bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from chainrule.compiler import ops  # noqa: F401
from chainrule.compiler.errors import Fault
from chainrule.compiler.ir import OPS, Node, const, located, make
from chainrule.compiler.ops import index, linear, random, reduce, shape
from chainrule.compiler.ops.arithmetic import pow, square, where
from chainrule.compiler.ops.base import Scalar
from chainrule.compiler.ops.convert import cast, iota, size
from chainrule.compiler.ops.elementary import exp, log, tanh
from chainrule.compiler.ops.rows import replace_rows
from chainrule.compiler.reference import uniform
from chainrule.compiler.targets.numpy.expressions import inserted
from chainrule.compiler.targets.spelling import matrix_product
from chainrule.compiler.types import Where, add, floordiv, mul

from .numpy_source import BATCH, agree, emitted, executed, graph, tensor, values

ROWS = [op for op in OPS.values() if isinstance(op, Scalar)]


@pytest.mark.parametrize("dims", [(2, 3), ()], ids=["2x3", "0-d"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row(row: Scalar, dtype: str, dims: tuple[int, ...]) -> None:
    kinds = {"logic": "bool", "integer": "int64"}
    dtypes = [kinds.get(row.kind, dtype)] * row.arity
    if row.kind == "select":
        dtypes[0] = "bool"
    xs = [tensor(f"x{i}", *dims, dtype=d) for i, d in enumerate(dtypes)]
    domain = row.domain if len(row.domain) == row.arity else row.domain * row.arity
    arrays = [
        values(x, i, max(low, -20), min(high, 20))
        for i, (x, (low, high)) in enumerate(zip(xs, domain, strict=True))
    ]
    # NumPy's logaddexp is its own loop around the same operations.
    tolerance = 0 if row.name != "softplus" else 1e-6 if dtype == "float32" else 1e-15
    agree(graph(make(row, tuple(xs))), tolerance, arrays)


@pytest.mark.parametrize("row", [row for row in ROWS if row.numpy], ids=lambda row: row.name)
def test_every_row_of_numbers_alone_has_its_dtype(row: Scalar) -> None:
    dtype = "bool" if row.kind == "logic" else "float32"
    numbers = [const(1.0 if dtype == "bool" else 0.5 + i, dtype) for i in range(row.arity)]
    if row.kind == "select":
        numbers[0] = const(True, "bool")
    agree(graph(make(row, tuple(numbers))))


X = tensor("x", BATCH, 3)
Y = tensor("y", 3, 2)
V = tensor("v", 3)
T3 = tensor("t", 2, BATCH, 3)
INDEX = tensor("i", BATCH, dtype="int64")
COUNT = tensor("n", 2, 3, dtype="int32")
FLAGS = tensor("flags", 2, 3, dtype="bool")
SCALAR = tensor("s")
SEED, STEP = tensor("seed", dtype="int64"), tensor("step", dtype="int64")

EXACT: dict[str, Callable[[], Node]] = {
    "cast to double": lambda: cast(X, "float64"),
    "cast to integer": lambda: cast(X, "int32"),
    "cast of a condition": lambda: cast(X > 0, "float32"),
    "cast of a number": lambda: cast(SCALAR, "float64"),
    "cast of a number to integer": lambda: cast(SCALAR, "int64"),
    "size": lambda: X * size(mul(BATCH, 2), "float32"),
    "one over a size": lambda: const(1, "float32") / size(BATCH, "float32"),
    "size alone": lambda: cast(size(add(BATCH, 1), "float64"), "float32"),
    "range": lambda: iota(add(BATCH, 2)),
    "range of int32": lambda: iota(5, "int32"),
    "reshape": lambda: shape.reshape(X, shape=(mul(3, BATCH),)),
    "insert axes": lambda: shape.reshape(X, shape=(1, BATCH, 1, 3)),
    "drop axes": lambda: shape.reshape(shape.reshape(X, (BATCH, 1, 3)) + 1, shape=(BATCH, 3)),
    "axes of a number": lambda: shape.reshape(SCALAR, shape=(1, 1)),
    "transpose": lambda: shape.transpose(X, axes=(1, 0)),
    "permute": lambda: shape.transpose(T3, axes=(2, 0, 1)),
    "broadcast": lambda: (
        shape.broadcast_to(V, shape=(BATCH, 3)) + shape.broadcast_to(V, (BATCH, 3))
    ),
    "zeros": lambda: shape.broadcast_to(const(0, "float32"), shape=(BATCH, 2)),
    "halves": lambda: shape.broadcast_to(const(0.5, "float32"), shape=(2,)),
    "slice": lambda: shape.slice_(X, (1, 0), (BATCH, 2), (2, 1)),
    "slice to a size": lambda: shape.slice_(X, (0, 1), (floordiv(BATCH, 2), 3), (1, 1)),
    "pad": lambda: shape.pad(X, (1, 0), (0, 2), (0, 0), 0.0),
    "pad with a value": lambda: shape.pad(V, (1,), (2,), (0,), -1.5),
    "spread": lambda: shape.pad(X, (1, 0), (0, 2), (1, 2), 0.5),
    "flip": lambda: shape.flip(X, axes=(0, 1)),
    "concat": lambda: shape.concat((X, X * 2), axis=1),
    "sum": lambda: reduce.sum(X, axes=(0,)),
    "sum of all": lambda: reduce.sum(X, axes=(0, 1)),
    "sum of int32": lambda: reduce.sum(COUNT, axes=(1,)),
    "kept sum": lambda: X / reduce.kept(reduce.sum(X, axes=(1,)), X, (1,)),
    "product": lambda: reduce.prod(X, axes=(1,)),
    "maximum": lambda: reduce.max(T3, axes=(0, 2)),
    "minimum": lambda: make(reduce.MIN, (X,), axes=(1,)),
    "any": lambda: make(reduce.ANY, (FLAGS,), axes=(1,)),
    "all": lambda: make(reduce.ALL, (FLAGS,), axes=(0, 1)),
    "argmax": lambda: make(reduce.ARGMAX, (X,), axis=1),
    "argmin": lambda: make(reduce.ARGMIN, (X,), axis=0),
    "running sums": lambda: reduce.cumulative_sum(X, axis=1),
    "running sums of int32": lambda: reduce.cumulative_sum(COUNT, axis=1),
    "mean": lambda: make(reduce.MEAN, (X,), axes=(0,)),
    "norm": lambda: make(reduce.NORM, (X,), axes=(1,)),
    "softmax": lambda: make(reduce.SOFTMAX, (X,), axes=(1,)),
    "log softmax": lambda: make(reduce.LOG_SOFTMAX, (X,), axes=(1,)),
    "take": lambda: make(index.TAKE, (Y, INDEX), axis=0),
    "take in the middle": lambda: make(index.TAKE, (T3, INDEX), axis=2),
    "add at": lambda: make(index.ADD_AT, (X, INDEX), axis=0, dim=5),
    "replaced rows": lambda: replace_rows(Y, Y * 2, [INDEX, INDEX]),
    "take along": lambda: make(index.TAKE_ALONG, (X, shape.reshape(INDEX, (BATCH, 1))), axis=1),
    "take along, repeated": lambda: make(
        index.TAKE_ALONG, (shape.reshape(V, (1, 3)), shape.reshape(INDEX, (BATCH, 1))), axis=1
    ),
    "add along": lambda: make(
        index.ADD_ALONG,
        (X, shape.broadcast_to(shape.reshape(INDEX, (BATCH, 1)), (BATCH, 3))),
        axis=1,
        dim=4,
    ),
    "one hot": lambda: index.one_hot(INDEX, 3, "float32"),
    "uniform": lambda: random.uniform(SEED, STEP, (BATCH, 3), "float32", 7),
    "uniform double": lambda: random.uniform(SEED, STEP, (BATCH,), "float64", 0),
    "dropout": lambda: make(random.DROPOUT, (X, SEED, STEP), rate=0.5, stream=1) + X,
    "outer": lambda: linear.contract(V, V + 1, "a", "b", "ab"),
    "scaled rows": lambda: linear.contract(V, X, "a", "ba", "ba"),
    "einsum": lambda: linear.contract(T3, T3, "abc", "abd", "cd"),
    "powers": lambda: pow(X, 3) + pow(X, 2) + pow(X, -1) + square(X),
    "choice": lambda: where(X > 0, 1.0, const(0, "float32")) * X,
    "infinity": lambda: where(X > 0, X, const(float("-inf"), "float32")),
    "nan": lambda: where(X > 0, X, const(float("nan"), "float32")),
    "minus zero": lambda: X * -0.0 + const(-1e-3, "float32"),
    "small numbers": lambda: X * 1e-30 + 1.0,
    "common subexpression": lambda: exp(X) / (1 + exp(X)) + log(1 + exp(X)),
    "shared without name": lambda: tanh(X * 2) * tanh(X * 2) - tanh(X * 2),
}
CLOSE: dict[str, Callable[[], Node]] = {
    "matmul": lambda: linear.matmul(X, Y),
    "first transposed": lambda: linear.contract(X, X * 2, "ab", "ac", "bc"),
    "second transposed": lambda: linear.contract(X, X * 2, "ab", "cb", "ac"),
    "result transposed": lambda: linear.contract(X, Y, "ab", "bc", "ca"),
    "both transposed": lambda: linear.contract(Y, X, "ab", "ca", "bc"),
    "dot": lambda: linear.contract(V, V * 2, "a", "a", ""),
    "matrix and vector": lambda: linear.matmul(X, V),
    "vector and matrix": lambda: linear.matmul(V, Y),
    "batched": lambda: linear.matmul(T3, Y),
    "batched both": lambda: linear.contract(T3, T3 * 2, "abc", "adc", "abd"),
    "logsumexp": lambda: make(reduce.LOGSUMEXP, (X,), axes=(1,)),
}


@pytest.mark.parametrize("case", EXACT)
def test_operations_bit_for_bit(case: str) -> None:
    agree(graph(EXACT[case](), X))


@pytest.mark.parametrize("case", CLOSE)
def test_contractions(case: str) -> None:
    agree(graph(CLOSE[case]()), rtol=2e-6)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("matmul", "x @ y"),
        ("first transposed", "x.T @ (x * 2)"),
        ("second transposed", "x @ (x * 2).T"),
        ("result transposed", "(x @ y).T"),
        ("dot", "v @ (v * 2)"),
        ("mean", "np.mean(x, axis=0)"),
        ("insert axes", "x[None, :, None, :]"),
        ("slice", "x[1::2, :2]"),
        ("kept sum", "x / np.sum(x, axis=1, keepdims=True)"),
        ("scaled rows", "v * x"),
        ("outer", "v[:, None] * (v + 1)"),
        ("one over a size", "np.float32(1) / x.shape[0]"),
        ("zeros", "np.zeros((x.shape[0], 2), np.float32)"),
        ("softmax", "special.softmax(x, axis=1)"),
        ("broadcast", "v + np.broadcast_to(v, (x.shape[0], 3))"),
    ],
)
def test_how_it_reads(case: str, text: str) -> None:
    node = {**EXACT, **CLOSE}[case]()
    lines = emitted(graph(node, X)).source.splitlines()
    assert any(line.split("  # ")[0].rstrip().endswith(f"= {text}") for line in lines), lines


@pytest.mark.parametrize("special", [[np.inf, 0, 1], [-np.inf] * 3, [np.nan, 0, 1], [1e30] * 3])
@pytest.mark.parametrize("op", ["SOFTMAX", "LOGSUMEXP", "LOG_SOFTMAX", "NORM", "MEAN"])
def test_edges_of_composites(op: str, special: list[float]) -> None:
    x = tensor("x", 1, 3, dtype="float64")
    array = np.array([special])
    agree(graph(make(getattr(reduce, op), (x,), axes=(1,))), rtol=1e-15, arrays=[array])


def test_a_size_that_no_argument_shows() -> None:
    with pytest.raises(ValueError, match="no argument has an axis of size batch"):
        emitted(graph(iota(BATCH)))


def test_uniform_is_the_reference_bit_for_bit() -> None:
    node = random.uniform(SEED, STEP, (1000,), "float64", 3)
    module = executed(emitted(graph(node)))
    seed, step = np.int64(-5), np.int64(2**33 + 1)
    (result,) = module["step"](seed, step)
    assert np.array_equal(result, uniform(-5, 2**33 + 1, 3, (1000,), "float64"))


@pytest.mark.parametrize("position", [-1, 3])
@pytest.mark.parametrize("case", ["take", "add at", "take along", "add along"])
def test_positions_out_of_range(case: str, position: int) -> None:
    request = graph(EXACT[case]())
    arrays = [values(x, 0) for x in request.leaves]
    arrays[-1][0] = position if position < 0 else 5
    with pytest.raises(IndexError, match=str(arrays[-1][0])):
        executed(emitted(request))["step"](*arrays)


def test_faults_say_where() -> None:
    with located(Where("net.py", 7)):
        node = make(index.TAKE, (Y, INDEX), axis=0)
    fault = Fault("index", "an index lies outside its axis", Where("net.py", 7), "y0")
    assert emitted(graph(node)).faults == (fault,)


# -- properties -----------------------------------------------------------------------------------

A, B = tensor("a", 2, 3), tensor("b", 3)


def grown(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    unary = st.sampled_from(["negative", "abs", "tanh", "square", "sign"])
    binary = st.sampled_from(["add", "subtract", "multiply", "divide", "maximum", "pow", "minimum"])
    return st.one_of(
        st.builds(lambda name, x: OPS[name](x), unary, inner),
        st.builds(lambda name, x, y: OPS[name](x, y), binary, inner, inner),
        st.builds(lambda x, y, z: where(x > y, z, x), inner, inner, inner),
        st.builds(
            lambda x: reduce.kept(reduce.sum(x, axes=(0,)), x, (0,)) if x.shape else x, inner
        ),
    )


LEAVES = st.one_of(
    st.sampled_from([A, B, tensor("c")]),
    st.sampled_from([-2.5, -1.0, 0.0, 0.5, 2.0, 3.0]).map(lambda v: const(v, "float32")),
)


@given(st.recursive(LEAVES, grown, max_leaves=25))
def test_random_expressions_bit_for_bit(node: Node) -> None:
    agree(graph(node))


@given(st.permutations("abc"), st.permutations("abc"), st.permutations("abc"), st.data())
def test_matrix_products_are_products(p: list[str], q: list[str], r: list[str], data: Any) -> None:
    left = "".join(p)[: data.draw(st.integers(0, 3))]
    right = "".join(q)[: data.draw(st.integers(0, 3))]
    both_sides = [letter for letter in r if letter in left + right]
    out = "".join(both_sides[: data.draw(st.integers(0, 3))])
    sizes = {"a": 2, "b": 3, "c": 4}
    x, y = (tensor(n, *(sizes[k] for k in ks)) for n, ks in (("x", left), ("y", right)))
    node = linear.contract(x, y, left, right, out)
    agree(graph(node), rtol=1e-5)
    assert matrix_product(node) is None or len(set(left) & set(right) - set(out)) == 1


@given(st.lists(st.sampled_from([1, 2, 3]), max_size=4), st.lists(st.booleans(), max_size=6))
def test_inserted_axes(old: list[int], ones: list[bool]) -> None:
    long = [dim for dim in old if dim != 1]
    new: list[int] = []
    for is_one in ones:
        new.append(1 if is_one or not long else long.pop(0))
    new += long
    subscripts = inserted(tuple(old), tuple(new))
    assert subscripts is not None
    x = np.arange(np.prod(old, dtype=int)).reshape(old)
    index_ = tuple({":": slice(None), "None": None, "0": 0}[text] for text in subscripts)
    assert np.array_equal(x[index_], x.reshape(new))
