"""Nodes as mathematics, and how gradients are explained."""

import html
from collections.abc import Callable

import pytest

from chainrule.compiler import ops  # noqa: F401
from chainrule.compiler.errors import UnknownNameError
from chainrule.compiler.explain.formulas import Formulas, gradients, latex, text
from chainrule.compiler.explain.provenance import explain
from chainrule.compiler.ir import Graph, Node, const, leaf, located, make
from chainrule.compiler.ops import linear, reduce, shape
from chainrule.compiler.ops.arithmetic import (
    abs,
    greater,
    logical_not,
    maximum,
    pow,
    sqrt,
    square,
    where,
)
from chainrule.compiler.ops.base import Scalar
from chainrule.compiler.ops.convert import cast, size
from chainrule.compiler.ops.elementary import exp, tanh
from chainrule.compiler.ops.gradient import gradient
from chainrule.compiler.ops.index import hot, one_hot
from chainrule.compiler.ops.special import sigmoid
from chainrule.compiler.passes.differentiate import Differentiate
from chainrule.compiler.passes.lower import Lower
from chainrule.compiler.targets import target
from chainrule.compiler.trace import Trace
from chainrule.compiler.types import TensorType, Where, floordiv, mul, sub, symbol

BATCH = symbol("batch")


def tensor(name: str, *dims: object, dtype: str = "float32", role: str = "input") -> Node:
    return leaf(name, TensorType(dtype, dims), role, Where("net.py", 3))  # type: ignore[arg-type]


X, Y = tensor("x", BATCH, 3), tensor("y", BATCH, 3)
W1, V, B1 = tensor("W1", 3, 3), tensor("v", 3), tensor("b1", 3)
T3, LABELS, GAMMA = tensor("a", 2, 4, 3), tensor("t", BATCH, dtype="int64"), tensor("gamma")
N = size(BATCH, "float32")
SWISH = Scalar("swish", formula=lambda z: z * sigmoid(z))

# name: (node, text, LaTeX)
CASES: dict[str, tuple[Node, str, str]] = {
    "layer": (
        tanh(linear.matmul(X, W1) + B1),
        "tanh(x W1 + b1)",
        r"\tanh\left(x \, W_1 + b_1\right)",
    ),
    "transposed": (linear.contract(X, W1, "ab", "cb", "ac"), "x W1ᵀ", r"x \, W_1^\top"),
    "first transposed": (linear.contract(X, Y, "ab", "ac", "bc"), "xᵀ y", r"x^\top \, y"),
    "transposed sum": (
        linear.contract(X + Y, Y, "ab", "ac", "bc"),
        "(x + y)ᵀ y",
        r"\left(x + y\right)^\top \, y",
    ),
    "dot": (linear.contract(V, B1, "a", "a", ""), "v · b1", r"v \cdot b_1"),
    "outer": (linear.contract(V, B1, "a", "b", "ab"), "v b1ᵀ", r"v \, b_1^\top"),
    "sum of products": (linear.contract(X, Y, "ab", "ab", "b"), "sum_batch (x * y)",
        r"\sum_{\mathrm{batch}} x \odot y"),
    "einsum": (linear.contract(T3, T3, "abc", "abd", "cd"), "einsum(abc,abd→cd, a, a)",
        r"\operatorname{einsum}\left(\text{abc,abd$\to$cd}, a, a\right)"),
    "elementwise": (X * (1 - square(Y)), "x * (1 - y²)", r"x \odot \left(1 - y^{2}\right)"),
    "matrix in a product": (
        linear.matmul(X, W1) * Y, "(x W1) * y", r"\left(x \, W_1\right) \odot y"),
    "number": (2 * X, "2 x", r"2 \, x"),
    "numbers": (2.0 * (X * 3.0) * 0.5, "3 x", r"3 \, x"),
    "number and quotient": (2 * (X - Y) / N, "2 (x - y) / batch",
        r"\frac{2 \, \left(x - y\right)}{\mathrm{batch}}"),
    "mean's gradient": ((1 / N) * (2 * (X - Y)), "2 (x - y) / batch",
        r"\frac{2 \, \left(x - y\right)}{\mathrm{batch}}"),
    "divisor": (X / (2 * Y), "x / (2 y)", r"\frac{x}{2 \, y}"),
    "one denominator": (X / N - Y / N, "(x - y) / batch", r"\frac{x - y}{\mathrm{batch}}"),
    "minus": (-X * Y, "-x * y", r"-x \odot y"),
    "minus a product": (X - (-Y) * X, "x + y * x", r"x + y \odot x"),
    "plus a negative": (X + (-1.5), "x - 1.5", "x - 1.5"),
    "minus first": (-X + Y, "y - x", "y - x"),
    "only minus": (-X - Y, "-x - y", "-x - y"),
    "minus a sum": (X - (Y + 1), "x - (y + 1)", r"x - \left(y + 1\right)"),
    "negated sum": (-(X + Y), "-(x + y)", r"-\left(x + y\right)"),
    "square of a sum": (square(X + Y), "(x + y)²", r"\left(x + y\right)^{2}"),
    "power": (pow(X, -2) + pow(X, 0.5), "x⁻² + x^0.5", "x^{-2} + x^{0.5}"),
    "root": (sqrt(X + 1) + sqrt(Y), "√(x + 1) + √y", r"\sqrt{x + 1} + \sqrt{y}"),
    "magnitude": (abs(X - Y), "|x - y|", r"\left|x - y\right|"),
    "maximum": (maximum(X, 0), "max(x, 0)", r"\max\left(x, 0\right)"),
    "greek": (exp(-GAMMA * X), "exp(-gamma * x)", r"\exp\left(-\gamma \odot x\right)"),
    "small number": (X * 1e-7, "1e-07 x", r"10^{-7} \odot x"),
    "infinity": (where(X > 0, X, const(float("-inf"), "float32")), "x if x > 0 else -∞",
        r"\begin{cases} x & \text{if } x > 0 \\ -\infty & \text{otherwise} \end{cases}"),
    "condition": (where(X > 0, Y, const(0, "float32")), "[x > 0] * y",
        r"\left[x > 0\right] \odot y"),
    "other branch": (where(X > 0, const(0, "float32"), Y), "[x ≤ 0] * y",
        r"\left[x \le 0\right] \odot y"),
    "negation": (cast(logical_not(greater(X, 0)), "float32"), "[¬(x > 0)]",
        r"\left[\lnot \left(x > 0\right)\right]"),
    "one hot": (one_hot(LABELS, 3, "float32") - X, "onehot(t) - x",
        r"\operatorname{onehot}\left(t\right) - x"),
    "picked": (where(hot(shape.reshape(LABELS, (BATCH, 1)), 1, 3), X, const(0, "float32")),
        "onehot(t) * x", r"\operatorname{onehot}\left(t\right) \odot x"),
    "sum of all": (reduce.sum(X, axes=(0, 1)), "sum(x)", r"\sum x"),
    "sum over nothing": (make(reduce.SUM, (X + Y,), axes=()), "x + y", "x + y"),
    "sum over batch": (reduce.sum(X + Y, axes=(0,)), "sum_batch (x + y)",
        r"\sum_{\mathrm{batch}} \left(x + y\right)"),
    "mean": (make(reduce.MEAN, (square(X - Y),), axes=(0, 1)), "mean((x - y)²)",
        r"\operatorname{mean}\left(\left(x - y\right)^{2}\right)"),
    "norm": (make(reduce.NORM, (V,), axes=(0,)), "‖v‖", r"\left\lVert v \right\rVert"),
    "softmax": (make(reduce.SOFTMAX, (X,), axes=(1,)), "softmax(x)",
        r"\operatorname{softmax}\left(x\right)"),
    "along batch": (make(reduce.SOFTMAX, (X,), axes=(0,)), "softmax_batch(x)",
        r"\operatorname{softmax\_batch}\left(x\right)"),
    "sigmoid": (sigmoid(X), "sigmoid(x)", r"\sigma\left(x\right)"),
    "own row": (SWISH(X), "swish(x)", r"\operatorname{swish}\left(x\right)"),
    "sizes": (X * size(sub(mul(BATCH, 2), 1), "float32"), "x * (2 batch - 1)",
        r"x \odot \left(2 \, \mathrm{batch} - 1\right)"),
    "half a size": (X * size(floordiv(BATCH, 2), "float32"), "x * floor(batch / 2)",
        r"x \odot \operatorname{floor}\left(\frac{\mathrm{batch}}{2}\right)"),
    "slice": (shape.slice_(X, (0, 1), (BATCH, 3), (2, 1)), "x[::2, 1:]", "x[::2, 1:]"),
    "unseen": (shape.reshape(cast(V, "float64"), (1, 3)), "v", "v"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_text(case: str) -> None:
    node, expected, _ = CASES[case]
    assert text(node) == expected


@pytest.mark.parametrize("case", CASES)
def test_latex(case: str) -> None:
    node, _, expected = CASES[case]
    assert latex(node) == expected


def balanced(formula: str) -> bool:
    return all(formula.count(a) == formula.count(b) for a, b in ("()", "{}", "[]"))


@pytest.mark.parametrize("name", ["a}b", "x_1_2", r"\input{x}", "50%", "$", "é", "dL_dW", "_"])
def test_latex_of_names_is_text(name: str) -> None:
    formula = latex(tanh(tensor(name, 3)))
    inner = formula.replace(r"\{", "").replace(r"\}", "")
    assert balanced(inner)
    assert r"\input" not in formula
    assert "$" not in formula.replace(r"\$", "")


def test_names_are_not_opened() -> None:
    z1 = linear.matmul(X, W1)
    assert text(tanh(z1) * z1, {z1: "z1"}) == "tanh(z1) * z1"


def test_a_derivative_of_known_names() -> None:
    loss, h1 = tensor("L"), tensor("h1", 3)
    g, other = tensor("dL_dh1", 3), tensor("data_dim", 3)
    names = {node: node.attr("name") for node in (loss, h1, g, other)}
    assert text(g * other, names) == "dL/dh1 * data_dim"
    assert latex(square(g), names) == (r"\left(\frac{\partial L}{\partial h_1}\right)^{2}")


def test_depth() -> None:
    y = X
    for _ in range(30):
        y = tanh(y)
    assert text(y, depth=3) == "tanh(tanh(tanh(…)))"


def test_a_formula_that_would_be_exponentially_long_is_cut() -> None:
    y = X
    for _ in range(60):
        y = tanh(y) * exp(y)
    assert len(text(y, depth=100)) < 2_000


# -- the gradients of a model ---------------------------------------------------------------------


def two_layer() -> Graph:
    x, t = tensor("x", BATCH, 3), tensor("t", BATCH, 2)
    w1, b1 = tensor("W1", 3, 4, role="param"), tensor("b1", 4, role="param")
    w2, b2 = tensor("W2", 4, 2, role="param"), tensor("b2", 2, role="param")
    with located(Where("net.py", 5, "dense_1")):
        z1 = linear.matmul(x, w1) + b1
        h1 = tanh(z1)
    with located(Where("net.py", 6, "dense_2")):
        y = linear.matmul(h1, w2) + b2
    with located(Where("net.py", 9)):
        loss = make(reduce.MEAN, (square(y - t),), axes=(0, 1))
    params = (w1, b1, w2, b2)
    updates = tuple((p, p - gradient(loss, p, const(1, "float32"))) for p in params)
    names = {z1: "z1", h1: "h1", y: "y", loss: "L"}
    return Graph("two_layer", (x, t), params, (), (("L", loss),), updates, names)


@pytest.fixture(scope="module")
def formulas() -> Formulas:
    return gradients(Differentiate()(two_layer()))


def test_gradients_print_in_order(formulas: Formulas) -> None:
    assert str(formulas) == (
        "dL/dy  = 2 (y - t) / (2 batch)\n"
        "dL/dh1 = dL/dy W2ᵀ\n"
        "dL/dz1 = dL/dh1 * (1 - h1²)\n"
        "dL/dW1 = xᵀ dL/dz1\n"
        "dL/db1 = sum_batch dL/dz1\n"
        "dL/dW2 = h1ᵀ dL/dy\n"
        "dL/db2 = sum_batch dL/dy"
    )


def test_gradients_by_parameter(formulas: Formulas) -> None:
    assert list(formulas) == ["W1", "b1", "W2", "b2"]
    assert [str(item) for item in formulas["W2"]] == [
        "dL/dy = 2 (y - t) / (2 batch)",
        "dL/dW2 = h1ᵀ dL/dy",
    ]
    with pytest.raises(UnknownNameError, match="did you mean 'W2'"):
        formulas["W3"]


def test_gradients_in_notebooks(formulas: Formulas) -> None:
    assert formulas.latex().startswith("\\begin{aligned}\n\\frac{\\partial L}{\\partial y} &= ")
    assert formulas._repr_latex_() == f"$\\displaystyle {formulas.latex()}$"
    shown = formulas._repr_html_()
    assert shown.startswith("<div>$\\displaystyle \\begin{aligned}")  # what notebooks typeset
    assert html.unescape(shown).count(formulas.latex()) == 1
    assert "<pre>dL/dy  = 2 (y - t)" in shown


def test_one_equation_in_notebooks(formulas: Formulas) -> None:
    last = formulas["W2"][-1]
    assert repr(last) == "dL/dW2 = h1ᵀ dL/dy"
    assert last._repr_latex_() == f"$\\displaystyle {last.latex()}$"


@pytest.fixture(scope="module")
def explained() -> Callable[[str], str]:
    request, trace = two_layer(), Trace()
    derived = Differentiate()(request, trace)
    numpy = target("numpy")
    program = numpy.emit(Lower(numpy.spells)(derived), "0" * 32)
    return lambda name: str(explain(name, derived, trace, program))


@pytest.mark.parametrize(
    "line",
    [
        "How dL/dW1 came about",
        "net.py:5 dense_1   h1 = tanh(z1)",
        "net.py:6 dense_2   dL/dh1 = dL/dy W2ᵀ",
        "net.py:5 dense_1   dL/dz1 = dL/dh1 * (1 - h1²)",
        "dh1/dz1 = 1 - h1²",
        "dL/dW1 = xᵀ dL/dz1",
        "Every element changes the mean alike, by 1/n.",
        "dL_dW1 = x.T @ dL_dz1",
    ],
)
def test_an_explanation_has_model_chain_result_and_code(
    line: str, explained: Callable[[str], str]
) -> None:
    assert line in explained("dL_dW1")


def test_only_the_path_is_explained(explained: Callable[[str], str]) -> None:
    assert "h1 = tanh(z1)" not in explained("dL_db2")
    assert "W2ᵀ" not in explained("dL_db2")


def test_a_parameter_stands_for_its_gradient(explained: Callable[[str], str]) -> None:
    assert explained("W2") == explained("dL_dW2")


def test_an_unknown_gradient(explained: Callable[[str], str]) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'dL_dW1'"):
        explained("dL_dW11")
