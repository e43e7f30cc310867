"""Training steps in panels do what target `numpy` does, for any number of rows and columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import chainrule as cr
from chainrule.compiler.pipeline import compile
from chainrule.compiler.program import Program
from chainrule.runtime.devices import load
from chainrule.runtime.devices.cpu import objects, translate
from chainrule.runtime.devices.cpu.processor import Processor, host

Arrays = dict[str, Any]
ROWS = (0, 1, 7, 31, 32, 33, 97)  # a panel has 32
TOLERANCE = {"float32": 3e-4, "float64": 1e-10}


def drawn(program: Program, rows: int, classes: int, seed: int = 0) -> Arrays:
    """Something for each buffer that is given."""
    random, arrays = np.random.default_rng(seed), {}
    for b in program.of("input", "setting", "param", "state"):
        shape = b.shape({"batch": rows})
        array: Any
        if b.type.dtype.startswith("int"):
            array = random.integers(0, classes, shape)
        elif b.role == "setting":
            array = random.uniform(0.1, 0.9, shape)
        else:
            array = random.normal(size=shape)
        arrays[b.name] = np.asarray(abs(array) if b.role == "state" else array).astype(b.type.dtype)
    return arrays


def check(request: Any, rows: int, classes: int = 3) -> None:
    """One step on both targets, from the same arrays: outputs, parameters and state."""
    oracle, native = (load(compile(request, target)) for target in ("numpy", "cpu"))
    arrays = drawn(native.program, rows, classes)
    found = []
    for executable in (oracle, native):
        own = {name: array.copy() for name, array in arrays.items()}
        with np.errstate(all="ignore"):
            outputs = executable.run(own)
        found.append({**outputs, **own})
    for name, expected in found[0].items():
        accuracy = TOLERANCE.get(str(expected.dtype), 0)
        np.testing.assert_allclose(
            found[1][name], expected, rtol=accuracy, atol=accuracy, err_msg=name
        )


def network(
    widths: tuple[int, ...],
    optimizer: Any,
    loss: Any = "sparse_categorical_crossentropy_from_logits",
    activation: str = "tanh",
    dtype: str = "float32",
) -> Any:
    """The training step of a network."""
    first, *hidden, last = widths
    layers = [cr.Dense(n, activation) for n in hidden]
    model = cr.Sequential([cr.Input((first,), dtype=dtype), *layers, cr.Dense(last)])
    model.compile(loss, optimizer, metrics=["accuracy"] if isinstance(loss, str) else ())
    return model._request("train")


def largest_errors(t: Any, y: Any) -> Any:
    """A loss that takes the largest error of each row."""
    return cr.mean(cr.max(cr.sqrt(1 + cr.square(y - t)), axis=1))


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_rows(rows: int, dtype: str) -> None:
    check(network((5, 9, 3), cr.Adam(), dtype=dtype), rows)


@pytest.mark.parametrize("rows", [0, 1, 31, 64, 65, 150])
def test_a_chain_of_products(rows: int) -> None:
    check(network((5, *(64,) * 7, 3), cr.SGD(0.1), dtype="float64"), rows)


@pytest.mark.parametrize("rows", [1, 131])
@pytest.mark.parametrize("units", [50, 61])
def test_a_chain_of_values_slopes_and_curvatures(rows: int, units: int) -> None:
    x = cr.Input((3,), dtype="float64")
    u = cr.Dense(1)(cr.Dense(units, "tanh")(cr.Dense(units, "tanh")(x)))[:, 0]
    model = cr.Model(x, cr.laplacian(u, x) + cr.sin(x[:, 0]) * u)
    model.compile("mse", cr.Adam())
    check(model._request("train"), rows)


@pytest.mark.parametrize(
    "optimizer",
    [
        cr.SGD(0.1, momentum=0.9),
        cr.Adam(weight_decay=0.1),
        cr.Adam(global_clipnorm=0.5),
        cr.SGD(0.1, clipnorm=0.1),
        cr.RMSprop(),
    ],
    ids=["momentum", "decay", "global norm", "norm", "rmsprop"],
)
def test_updates_stand_behind_the_gradient_of_a_weight(optimizer: Any) -> None:
    check(network((83, 67, 3), optimizer, activation="relu"), 41)


@pytest.mark.parametrize("rows", [1, 33, 70])
def test_a_loss_of_ones_own(rows: int) -> None:
    check(network((6, 40, 5), cr.Adam(), largest_errors), rows)


@pytest.mark.parametrize("rows", [1, 70])
def test_products_with_large_matrices(rows: int) -> None:
    check(network((700, 600, 530, 3), cr.SGD(0.1)), rows)


@settings(max_examples=6, deadline=None)
@given(
    rows=st.sampled_from(ROWS),
    widths=st.lists(st.sampled_from((1, 2, 3, 8, 16, 17, 32, 61, 130)), min_size=2, max_size=4),
    classes=st.integers(2, 20),
    activation=st.sampled_from(("relu", "tanh", "softmax")),
)
def test_any_widths(rows: int, widths: list[int], classes: int, activation: str) -> None:
    check(network((*widths, classes), cr.SGD(0.1), activation=activation), rows, classes)


def products() -> dict[str, Callable[..., Any]]:
    """Functions of a matrix whose rows are few or many, and of another one."""
    return {
        "stored": lambda z, t: (z, cr.tanh(z)),
        "softmax": lambda z, t: (cr.softmax(z, axis=1),),
        "sums": lambda z, t: (cr.sum(z), cr.sum(z, axis=0), cr.sum(z * t, axis=1)),
        "extremes": lambda z, t: (cr.max(z), cr.min(z * t), cr.max(z, axis=0), cr.max(z, axis=1)),
        "places": lambda z, t: (cr.argmax(z, axis=0), cr.argmax(z, axis=1)),
        "tests": lambda z, t: (cr.any(z > 2), cr.all(z > -9), cr.prod(cr.tanh(z) + 1)),
        "normalized": lambda z, t: ((z - cr.mean(z, axis=0)) / cr.std(z, axis=0),),
        "shifted": lambda z, t: (z + cr.flip(z, axis=0),),
        "running": lambda z, t: (cr.cumulative_sum(z, axis=0), cr.cumulative_sum(z, axis=1)),
        "viewed": lambda z, t: (cr.sum(cr.tanh(cr.reshape(z, (-1, 2, z.shape[1] // 2))), axis=1),),
    }


@pytest.mark.parametrize("rows", [1, 33, 70])
@pytest.mark.parametrize("name", products())
def test_what_stands_behind_a_product(name: str, rows: int) -> None:
    x, w = cr.tensor("x", ("batch", 7), "float64"), cr.tensor("w", (7, 12), "float64")
    t = cr.tensor("t", ("batch", 12), "float64")
    results = products()[name](cr.matmul(x, w), t)
    f = cr.function([x, w, t], list(results))
    oracle = cr.function([x, w, t], list(results), target="numpy")
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape) for shape in ((rows, 7), (7, 12), (rows, 12))]
    for found, expected in zip(f(*arrays), oracle(*arrays), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


def test_gradients_are_results_too() -> None:
    x, w = cr.tensor("x", ("batch", 7), "float64"), cr.tensor("w", (7, 12), "float64")
    loss = cr.sum(cr.tanh(cr.matmul(x, w)))
    results = [loss, cr.grad(loss, w), cr.grad(loss, x)]
    random = np.random.default_rng(0)
    arrays = [random.normal(size=(97, 7)), random.normal(size=(7, 12))]
    came = cr.function([x, w], results)(*arrays)
    for found, expected in zip(
        came, cr.function([x, w], results, target="numpy")(*arrays), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    "shape", [(0, 300), (1, 300), (97, 301), (200, 64), (5, 10_000), (2, 150_000)]
)
def test_long_loops_without_a_product(shape: tuple[int, int]) -> None:
    x, y = cr.tensor("x", ("n", shape[1]), "float64"), cr.tensor("y", (700, 101), "float64")
    centered = x - cr.mean(x, axis=1, keepdims=True)
    results = [cr.softmax(centered, axis=1), cr.sum(centered * x, axis=0), cr.tanh(y) * y]
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape), random.normal(size=(700, 101))]
    came = cr.function([x, y], results)(*arrays)
    expected = cr.function([x, y], results, target="numpy")(*arrays)
    for found, wanted in zip(came, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("rows", "height"), [(1, 9), (5, 9), (33, 9), (11, 8)])
def test_what_is_normalized_over_a_batch_of_images(rows: int, height: int) -> None:
    layers: list[Any] = [
        *(cr.Input((height, 8, 3)), cr.Conv2D(16, 3, padding="same"), cr.BatchNormalization()),
        *(cr.Activation("relu"), cr.Conv2D(16, 3, padding="same"), cr.BatchNormalization()),
        *(cr.GlobalAveragePooling2D(), cr.Dense(3)),
    ]
    model = cr.Sequential(layers)
    model.compile("sparse_categorical_crossentropy_from_logits", cr.Adam())
    assert model.source("cpu").count("prange") > 6
    check(model._request("train"), rows)


@pytest.mark.parametrize("processor", ["x86-64", "haswell", "host"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_side_by_side_on_any_processor(
    processor: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without masks, with narrower vectors, and as they are here."""
    here = host()
    if processor != "host" and not here.triple.startswith("x86_64"):
        pytest.skip("these are processors of another family")
    if processor == "haswell" and not here.has("avx2"):
        pytest.skip("this processor is older")
    if processor != "host":
        features = "+avx,+avx2,+fma" if processor == "haswell" else ""
        for module in (objects, translate):
            monkeypatch.setattr(module, "host", lambda: Processor(here.triple, processor, features))
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path))
    request = network((7, 20, 10), cr.Adam(), dtype=dtype)
    for rows in (0, 1, 8, 33, 97):
        check(request, rows, 10)


def test_rows_side_by_side_keep_what_is_not_a_number() -> None:
    z, w = cr.tensor("z", ("batch", 4)), cr.tensor("w", (4, 10))
    x = np.ones((40, 4), "float32")
    x[3, 1], x[38, 0] = np.nan, np.inf
    f = cr.function([z, w], cr.softmax(cr.matmul(z, w), axis=1))
    found = f(x, np.eye(4, 10, dtype="float32"))
    assert np.array_equal(np.flatnonzero(np.isnan(found).any(axis=1)), [3, 38])
    np.testing.assert_allclose(found[[0, 39]].sum(axis=1), 1, 1e-6)
