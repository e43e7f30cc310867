"""cr.function: a callable on arrays, its text and formulas, and its words on wrong arguments."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import _build
from chainrule.compiler.errors import (
    ChainruleError,
    DTypeError,
    ShapeError,
    UnknownNameError,
    UsageError,
)
from chainrule.compiler.text import parse, show

TARGETS = ("numpy", "cpu")
X = np.arange(12.0, dtype=np.float32).reshape(4, 3)
W = np.array([0.5, -1.0, 0.25], np.float32)


def logistic(target: str, name: str = "logistic") -> Any:
    x, w = cr.tensor("x", (None, 3)), cr.tensor("w", (3,))
    loss = cr.mean(cr.log(1 + cr.exp(x @ w)))
    return cr.function([x, w], [loss, cr.grad(loss, w)], target, name)


@pytest.mark.parametrize("target", TARGETS)
def test_value_and_gradient(target: str) -> None:
    loss, slope = logistic(target)(X, W)
    z = X.astype(float) @ W
    np.testing.assert_allclose(loss, np.mean(np.log1p(np.exp(z))), rtol=1e-6)
    np.testing.assert_allclose(slope, np.mean(X.T / (1 + np.exp(-z)), axis=1), rtol=1e-6)
    assert (loss.shape, loss.dtype, slope.dtype) == ((), "float32", "float32")


@pytest.mark.parametrize("target", TARGETS)
def test_one_compilation_serves_every_batch_size(target: str) -> None:
    f = logistic(target)
    for n in (1, 4, 7, 4):
        rows = np.resize(X, (n, 3))
        loss, _ = f(rows, W)
        np.testing.assert_allclose(loss, np.mean(np.log1p(np.exp(rows @ W))), rtol=1e-6)


@pytest.mark.parametrize("target", TARGETS)
def test_results_are_new_arrays(target: str) -> None:
    x = cr.tensor("x", (3,))
    f = cr.function([x], [x, x + 1, x], target)
    given = np.zeros(3, np.float32)
    first = f(given)
    second = f(given)
    for array in first:
        array[:] = 9
    np.testing.assert_array_equal(given, np.zeros(3))
    np.testing.assert_array_equal(second, [[0, 0, 0], [1, 1, 1], [0, 0, 0]])


def test_one_output_or_a_list() -> None:
    x = cr.tensor("x", (2,))
    assert cr.function([x], x * 2, "numpy")([1, 2]).tolist() == [2.0, 4.0]
    assert [y.tolist() for y in cr.function([x], [x * 2], "numpy")([1, 2])] == [[2.0, 4.0]]
    assert [y.tolist() for y in cr.function((x,), (x * 2, x), "numpy")([1, 2])] == [
        [2.0, 4.0],
        [1.0, 2.0],
    ]
    assert cr.function(x, x * 2, "numpy")([1, 2]).tolist() == [2.0, 4.0]
    assert float(cr.function([], cr.exp(1.0), "numpy")()) == np.exp(1.0)


def test_an_input_that_nothing_needs() -> None:
    x, y = cr.tensor("x", (2,)), cr.tensor("y", ("n",))
    f = cr.function([x, y], x + 1, "numpy")
    assert f([1, 2], [5]).tolist() == [2.0, 3.0]


@pytest.mark.parametrize("target", TARGETS)
def test_arrays_that_are_not_contiguous(target: str) -> None:
    x = cr.tensor("x", (3, 4))
    f = cr.function([x], x + x[::-1], target)
    np.testing.assert_array_equal(f(X.T), X.T + X.T[::-1])
    wide = np.zeros((3, 8), np.float32)[:, ::2]
    np.testing.assert_array_equal(f(wide), wide)


@pytest.mark.parametrize(
    ("dtype", "given", "taken"),
    [
        ("float32", 3, 3.0),
        ("float32", 2.5, 2.5),
        ("float64", np.float64(2.5), 2.5),
        ("float32", True, 1.0),
        ("int64", 3, 3),
        ("int32", True, 1),
        ("bool", True, True),
    ],
)
def test_numbers_are_taken_in_the_inputs_dtype(dtype: str, given: Any, taken: Any) -> None:
    x = cr.tensor("x", (), dtype)
    got = cr.function([x], x, "numpy")(given)
    assert (got.dtype, got.item()) == (dtype, taken)


def _call(*arrays: Any) -> Callable[[], Any]:
    f = logistic("numpy")
    return lambda: f(*arrays)


CALLS: list[tuple[str, Callable[[], Any], type[ChainruleError], str]] = [
    ("few", _call(X), UsageError, "called with 1 arrays"),
    ("many", _call(X, W, W), UsageError, "expected 2: x, w"),
    (
        "float64",
        _call(X.astype(float), W),
        DTypeError,
        r"expected f32\[batch, 3\], came f64\[4, 3\]",
    ),
    ("integers", _call(X.astype(int), W), DTypeError, r'convert with x\.astype\("float32"\)'),
    ("half", _call(X.astype("float16"), W), DTypeError, "came float16"),
    ("scalar", _call(np.float64(1), W), DTypeError, "wrong dtype"),
    ("size", _call(X[:, :2], W), ShapeError, "x has the wrong shape"),
    ("axes", _call(X[0], W), ShapeError, "wrong number of axes"),
    ("text", _call("x", W), DTypeError, "no array of numbers"),
    ("none", _call(None, W), DTypeError, "came NoneType"),
    ("ragged", _call([[1.0], [1.0, 2.0]], W), DTypeError, "no array of numbers"),
    ("complex", _call([[1j, 0, 0]], W), DTypeError, "no array of numbers"),
    ("tensor", _call(cr.tensor("x", (4, 3)), W), UsageError, "called on a tensor"),
]


@pytest.mark.parametrize(
    ("call", "error", "said"), [case[1:] for case in CALLS], ids=[case[0] for case in CALLS]
)
def test_wrong_arrays(call: Callable[[], Any], error: type[ChainruleError], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        call()
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("test_function.py:")
    assert len(lines) == 3


def _made(*arguments: Any, **more: Any) -> Callable[[], Any]:
    return lambda: cr.function(*arguments, **more)


x, y = cr.tensor("x", (3,)), cr.tensor("y", (3,))
MADE: list[tuple[str, Callable[[], Any], type[ChainruleError], str]] = [
    ("missing", _made([x], x + y), UsageError, r"needs 'y'.*\n.*f32\[3\], made at test_function"),
    ("missing_in_gradient", _made([x], cr.grad(cr.sum(x * y), x)), UsageError, "needs 'y'"),
    ("twice", _made([x, x], x), UnknownNameError, "two inputs are called 'x'"),
    ("same_name", _made([x, cr.tensor("x", (2,))], x), UnknownNameError, "give each its own"),
    ("computed", _made([x + 1], x), UsageError, "an input is <tensor add"),
    ("array", _made([W], x), UsageError, "expected a tensor that cr.tensor made"),
    ("no_outputs", _made([x], []), UsageError, "has no outputs"),
    ("array_output", _made([x], [W]), UsageError, "an output is ndarray"),
    ("target", _made([x], x, "cup"), UnknownNameError, "did you mean 'cpu'"),
    ("name", _made([x], x, name="x); import os"), UnknownNameError, "a function's name"),
    ("keyword", _made([x], x, name="lambda"), UnknownNameError, "a function's name"),
    ("dunder", _made([x], x, name="__class__"), UnknownNameError, "a function's name"),
]


@pytest.mark.parametrize(
    ("make", "error", "said"), [case[1:] for case in MADE], ids=[case[0] for case in MADE]
)
def test_wrong_functions(make: Callable[[], Any], error: type[ChainruleError], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        make()
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("test_function.py:")
    assert 2 <= len(lines) <= 3


def test_the_source_of_each_target() -> None:
    f = logistic("numpy")
    numpy_text = f.source()
    assert "import numpy as np" in numpy_text
    assert "def logistic(x, w):" in numpy_text
    assert f.source("numpy") == numpy_text
    assert "@kernel" in f.source("cpu")
    assert logistic("cpu").source() == logistic("numpy").source("cpu")
    with pytest.raises(UnknownNameError, match="did you mean 'cpu'"):
        f.source("cup")


def test_the_source_is_what_runs() -> None:
    f = logistic("numpy")
    module: dict[str, Any] = {"__name__": "shown"}
    exec(compile(f.source(), "shown", "exec"), module)
    shown = module["logistic"](X, W)
    for ours, theirs in zip(f(X, W), shown, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_formulas() -> None:
    formulas = logistic("numpy").formula()
    assert str(formulas).splitlines() == [
        "y     = mean(softplus(x w))",
        "dy/dw = (sigmoid(x w) / batch) x",
    ]
    assert r"\begin{aligned}" in formulas.latex()


def test_names_of_outputs() -> None:
    a, b = cr.tensor("a", (), "float64"), cr.tensor("y", (), "float64")
    product = a * b
    f = cr.function([a, b], [product, a + b, cr.grad(product, a), a], "numpy")
    assert [name for name, _ in f.graph().outputs] == ["y1", "y2", "dy1_da", "y3"]
    slope = cr.grad(product, a)
    for outputs, names in (
        (product, ["y_"]),
        ([slope, cr.grad(slope, b)], ["dy_da", "ddy_da_dy"]),
    ):
        graph = cr.function([a, b], outputs, "numpy").graph()
        assert [name for name, _ in graph.outputs] == names


def test_names_of_gradients_of_what_has_no_name() -> None:
    w, v = cr.tensor("w", (3,)), cr.tensor("v", (3,))
    loss, other = cr.sum(cr.exp(w)), cr.sum(cr.tanh(w))
    slope = cr.grad(loss, w)
    curved = cr.grad(cr.sum(slope * v), w)  # a Hessian and a vector
    s = cr.tensor("s", ())
    for outputs, names in (
        ([loss, slope, curved], ["y", "dy_dw", "gradient_w"]),
        ([slope, curved], ["dy_dw", "gradient_w"]),
        ([curved], ["gradient_w"]),
        ([loss, cr.grad(other, w)], ["y", "gradient_w"]),
        ([slope, cr.grad(other, w)], ["dy_dw", "gradient_w"]),
        ([loss, cr.grad(other, w), curved], ["y", "gradient_w", "gradient_w_"]),
        ([cr.grad(cr.grad(cr.exp(s), s), s)], ["ddy_ds_ds"]),
        ([cr.exp(s), cr.grad(cr.grad(cr.exp(s), s), s)], ["y", "ddy_ds_ds"]),
    ):
        graph = cr.function([w, v, s], outputs, "numpy").graph()
        assert [name for name, _ in graph.outputs] == names


def test_the_graph_has_its_gradients_taken() -> None:
    graph = logistic("numpy").graph()
    assert "gradient" not in {node.op.name for node in graph.nodes()}
    assert parse(show(graph)) == graph
    assert str(graph) == show(graph)


def test_repr() -> None:
    assert repr(logistic("cpu")) == (
        "<function logistic(x: f32[batch, 3], w: f32[3]) -> y: f32[], dy_dw: f32[3], target cpu>"
    )


def test_nothing_is_compiled_before_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []
    real = _build.executable

    def counted(*args: Any) -> Any:
        compiled.append(args)
        return real(*args)

    monkeypatch.setattr(_build, "executable", counted)
    f = logistic("numpy")
    assert not compiled
    f(X, W)
    f(X, W)
    assert len(compiled) == 1


@pytest.mark.parametrize("target", TARGETS)
def test_calls_from_several_threads(target: str) -> None:
    f = logistic(target, f"threads_{target}")
    scales = [np.float32(k) for k in range(1, 9)]
    want = [np.mean(np.log1p(np.exp(X @ (W * k)))) for k in scales]
    got: dict[int, list[float]] = {}

    def work(k: int) -> None:
        got[k] = [float(f(X, W * scales[k])[0]) for _ in range(50)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, values in got.items():
        assert len(set(values)) == 1
        np.testing.assert_allclose(values[0], want[k], rtol=1e-5)
    assert len(got) == 8


WARM = """
import sys, numpy as np, chainrule as cr
x, w = cr.tensor("x", (None, 3)), cr.tensor("w", (3,))
loss = cr.mean(cr.log(1 + cr.exp(x @ w)))
f = cr.function([x, w], [loss, cr.grad(loss, w)], sys.argv[1])
print(float(f(np.ones((2, 3), np.float32), np.ones(3, np.float32))[0]))
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"sympy", "numba"}))
print(*sorted(name for name in sys.modules if name.startswith("chainrule.compiler")))
"""


@pytest.mark.parametrize("target", TARGETS)
def test_a_warm_start_imports_neither_sympy_nor_numba_nor_passes(
    target: str, tmp_path: pathlib.Path
) -> None:
    script = tmp_path / "warm.py"
    script.write_text(WARM)
    environment = os.environ | {"CHAINRULE_CACHE_DIR": str(tmp_path / "cache")}

    def start() -> list[str]:
        command = [sys.executable, str(script), target]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return run.stdout.splitlines()

    cold, warm = start(), start()
    assert cold[0] == warm[0]
    assert "chainrule.compiler.passes.differentiate" in cold[2]
    assert warm[1] == ""
    for part in ("passes", "rules", "symbolic", "pipeline", "explain"):
        assert f"chainrule.compiler.{part}" not in warm[2]
