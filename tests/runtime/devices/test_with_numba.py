"""The text of target `cpu` is Numba's source too, and there it means the same."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.ir import Graph
from chainrule.compiler.passes import chains
from chainrule.compiler.pipeline import derive, lower
from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.targets import target
from chainrule.compiler.types import TensorType
from chainrule.runtime.cache import Cache
from chainrule.runtime.devices import load
from chainrule.runtime.devices.base import Executable
from chainrule.runtime.devices.cpu import library, with_numba
from chainrule.runtime.devices.cpu.binding import empty
from chainrule.runtime.devices.generated import import_program

MakeBuffer = Callable[..., Buffer]
MakeExecutable = Callable[..., Executable]
ROOT = Path(library.__file__).resolve().parents[3]


def emitted(request: Graph) -> Program:
    return target("cpu").emit(lower(derive(request), "cpu"), "0" * 32)


def by_numba(program: Program, arrays: dict[str, Any]) -> dict[str, Any]:
    """What `step` makes of these arrays, compiled with Numba from the program's own text."""
    module = import_program(program, Cache.open())
    sizes = load(program).bind([arrays[buffer.name] for buffer in load(program).given])
    found = {
        b.name: arrays[b.name].copy() if b.name in arrays else empty(b, sizes)
        for b in program.buffers
    }
    given = [array.reshape(array.shape or (1,)) for array in found.values()]
    with_numba.compiled(module.step)(*map(sizes.get, program.sizes), *given, np.zeros(3, np.int64))
    return {b.name: found[b.name] for b in program.buffers if b.role != "scratch"}


def training() -> tuple[Program, dict[str, Any]]:
    """A step with random numbers, labels, products in panels, sums and Adam."""
    layers = [cr.Dense(70, "tanh"), cr.Dropout(0.4), cr.Dense(3)]
    return step_of(cr.Sequential([cr.Input((90,)), *layers]))


def chain() -> tuple[Program, dict[str, Any]]:
    """Products and sums of them in one loop over panels of rows."""
    x, v, w = cr.tensor("x", ("batch", 5)), cr.tensor("v", ("batch", 5)), cr.tensor("w", (5, 5))
    y = cr.sum(cr.tanh(cr.tanh(x @ w) @ w) @ w * v)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chains, "WORTH", 0)
        program = emitted(cr.function([x, v, w], [y, cr.grad(y, w)])._request)
    assert "dy_dw_parts_view[panel, j] = " in program.source
    random = np.random.default_rng(3)
    shapes = {"x": (131, 5), "v": (131, 5), "w": (5, 5)}
    return program, {name: random.normal(size=dims).astype("f4") for name, dims in shapes.items()}


def halves() -> tuple[Program, dict[str, Any]]:
    """A step with a product by halves of the sum."""
    return step_of(cr.Sequential([cr.Input((514,)), cr.Dense(70, "relu"), cr.Dense(3)]))


def rows() -> tuple[Program, dict[str, Any]]:
    """A step that updates rows of a table."""
    bag = cr.EmbeddingBag(9, 4, sparse=True)
    return step_of(cr.Sequential([cr.Input((5,), dtype="int32"), bag, cr.Dense(3)]))


def panels_of_rows() -> tuple[Program, dict[str, Any]]:
    """A step that adds up the gradient of a table a panel after the other."""
    bag = cr.EmbeddingBag(5000, 53)
    return step_of(cr.Sequential([cr.Input((5,), dtype="int32"), bag, cr.Dense(3)]))


def step_of(model: cr.Model) -> tuple[Program, dict[str, Any]]:
    """A model's training step, and what it is called with."""
    model.compile("sparse_categorical_crossentropy_from_logits", cr.Adam(), metrics=["accuracy"])
    program, random = emitted(model._request("train")), np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for b in program.of("input", "setting", "param", "state"):
        shape, dtype = b.shape({"batch": 41}), b.type.dtype
        whole = random.integers(0, 3, shape) if dtype.startswith("int") else None
        drawn = random.uniform(0.1, 0.9, shape) if whole is None else whole
        arrays[b.name] = np.asarray(drawn).astype(dtype)
    return program, arrays


def library_functions() -> tuple[Program, dict[str, Any]]:
    """What the library writes in the language: sorting, matrices, special functions, a loop."""
    x, a = cr.tensor("x", (9,), "float64"), cr.tensor("a", (2, 3, 3), "float64")
    b = cr.tensor("b", (2, 3, 1), "float64")
    last, steps = cr.scan(lambda c, v: (cr.tanh(c + v), c * v), cr.sum(b), x)
    outputs = [
        *(cr.argsort(x), cr.take(x, cr.argsort(-x)), cr.cumulative_sum(x)),
        *(cr.linalg.cholesky(a), cr.linalg.solve(a, b), last, steps),
        *(cr.digamma(x), cr.grad(cr.sum(cr.digamma(x)), x)),
    ]
    random = np.random.default_rng(1)
    root = random.normal(size=(2, 3, 3))
    arrays = {
        "x": random.uniform(-2.7, 2.9, 9),
        "a": root @ root.transpose(0, 2, 1) + np.eye(3),
        "b": random.normal(size=(2, 3, 1)),
    }
    return emitted(cr.function([x, a, b], outputs)._request), arrays


def convolution() -> tuple[Program, dict[str, Any]]:
    """Windows read in place, and added up."""
    x, w = cr.tensor("x", (2, 5, 6, 3), "float64"), cr.tensor("w", (3, 2, 3, 4), "float64")
    y = cr.conv(x, w, strides=(2, 1), padding="same")
    request = cr.function([x, w], [y, *cr.grad(cr.sum(cr.sin(y)), [x, w])])._request
    random = np.random.default_rng(2)
    shapes = {"x": (2, 5, 6, 3), "w": (3, 2, 3, 4)}
    arrays = {name: random.normal(size=dims) for name, dims in shapes.items()}
    return emitted(request), arrays


def attention() -> tuple[Program, dict[str, Any]]:
    """Products of parts of matrices whose rows lie apart, added up block by block."""
    shapes = {name: (2, 190, 3, 5) for name in "qkv"}
    q, k, v = (cr.tensor(name, dims) for name, dims in shapes.items())
    weights = cr.softmax(cr.einsum("blhe,bshe->bhls", q, k))
    o = cr.einsum("bhls,bshe->blhe", weights, v)
    program = emitted(cr.function([q, k, v], [o, *cr.grad(cr.sum(cr.sin(o)), [q, k, v])])._request)
    assert "add_matmul_tn(" in program.source
    random = np.random.default_rng(4)
    return program, {name: random.normal(size=dims).astype("f4") for name, dims in shapes.items()}


CASES = [training, chain, halves, rows, panels_of_rows, library_functions, convolution, attention]


@pytest.mark.parametrize("case", CASES)
def test_numba_computes_the_same(case: Callable[[], tuple[Program, dict[str, Any]]]) -> None:
    program, arrays = case()
    expected = by_numba(program, arrays)
    came = load(program).run(arrays)
    for name, value in (arrays | came).items():
        np.testing.assert_allclose(
            value, expected[name].reshape(value.shape), 1e-6, 1e-7, err_msg=name
        )


def test_numba_is_imported_in_one_file() -> None:
    folders = (ROOT / name for name in ("compiler", "frontend", "runtime", "src"))
    files = [path for folder in folders for path in folder.rglob("*.py")]
    importing = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.split(".")[0] == "numba" for name in names):
                importing.add(path.name)
    assert importing == {"with_numba.py"}


@pytest.mark.parametrize("function", [library.exp, library.prange, library.local_array])
def test_functions_of_native_code_are_not_called_from_python(function: Any) -> None:
    with pytest.raises(TypeError, match="not called from Python"):
        function(1.0)


def test_panels_in_numba() -> None:
    """Iterations in any order, and arrays in the frame, mean what they mean in native code."""
    lines = """
for first in prange(0, 7, 3):
    last = min(first + 3, 7)
    panel = local_array((3, 2), f32)
    for i in range(first, last):
        for j in range(2):
            panel[i - first, j] = x[i, j] * f32(j + 2)
    for i in range(first, last):
        out[i] = panel[i - first, 0] + panel[i - first, 1]
"""
    buffers = [
        Buffer("x", "input", TensorType("float32", (7, 2))),
        Buffer("out", "output", TensorType("float32", (7,))),
    ]
    body = "".join(f"    {line}\n" for line in lines.strip().splitlines())
    head = "from chainrule.runtime.devices.cpu.library import f32, local_array, prange, program\n"
    source = f"{head}\n@program\ndef step(x, out, fault):\n{body}"
    program = Program("panels", "cpu", source, tuple(buffers), (), (), None, (), (), "1")
    arrays = {"x": np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)}
    expected = (arrays["x"] * np.array([2, 3], np.float32)).sum(1)
    for came in (by_numba(program, arrays), load(program).run(arrays)):
        np.testing.assert_array_equal(came["out"], expected)


def test_kernels_are_called_in_numba_code_of_ones_own(tmp_path: Path) -> None:
    text = """
from chainrule.runtime.devices.cpu.library import checked, exp, f64, kernel


@kernel
def k1_y(x, places, y, fault):
    for i in range(places.shape[0]):
        y[i] = exp(x[checked(places[i], 3, fault, 1)])
"""
    path = tmp_path / "kernels.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("kernels", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    k1_y = module.k1_y

    def total(x: Any, places: Any, y: Any, fault: Any) -> Any:
        k1_y(x, places, y, fault)
        return y.sum()

    y, fault = np.zeros(2), np.zeros(3, np.int64)
    x, places = np.log(np.array([2.0, 3.0, 5.0])), np.array([2, 7])
    found = numba.njit(total)(x, places, y, fault)
    np.testing.assert_allclose([found, *y], [7.0, 5.0, 2.0])
    assert fault.tolist() == [1, 7, 3]
