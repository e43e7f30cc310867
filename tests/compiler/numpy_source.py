"""Source for NumPy of graphs, and what it gives beside the reference."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.compiler import ops  # noqa: F401
from chainrule.compiler.ir import Graph, Node, evaluate, leaf
from chainrule.compiler.passes.differentiate import Differentiate
from chainrule.compiler.passes.lower import Lower
from chainrule.compiler.program import Program
from chainrule.compiler.targets import target
from chainrule.compiler.types import TensorType, Where, symbol

TARGET = target("numpy")
BATCH = symbol("batch")
Array = Any


def tensor(name: str, *dims: Any, dtype: str = "float32", role: str = "input") -> Node:
    return leaf(name, TensorType(dtype, dims), role, Where("net.py", 3))  # type: ignore[arg-type]


def graph(*outputs: Node, name: str = "f", names: dict[Node, str] | None = None) -> Graph:
    pairs = tuple((f"y{i}", y) for i, y in enumerate(outputs))
    leaves = [node for node in Graph(name, outputs=pairs).nodes() if node.op.name == "leaf"]
    return Graph(name, tuple(leaves), outputs=pairs, names=names or {})


def emitted(request: Graph) -> Program:
    return TARGET.emit(Lower(TARGET.spells)(Differentiate()(request)), "0" * 32)


def executed(program: Program) -> dict[str, Any]:
    module: dict[str, Any] = {}
    exec(compile(program.source, "<module>", "exec"), module)
    return module


def values(node: Node, seed: int = 0, low: float = -2.0, high: float = 2.0) -> Array:
    shape_ = tuple(d if isinstance(d, int) else 4 for d in node.shape)
    rng = np.random.default_rng(seed)
    if node.dtype == "bool":
        return rng.random(shape_) < 0.5
    if node.dtype.startswith("int"):
        return rng.integers(0, 3, shape_).astype(node.dtype)
    return rng.uniform(low, high, shape_).astype(node.dtype)


def both(request: Graph, arrays: Sequence[Array] | None = None) -> tuple[list[Array], list[Array]]:
    """What the module gives and what the reference gives."""
    arrays = arrays or [values(x, i) for i, x in enumerate(request.leaves)]
    derived = Differentiate()(request)
    with np.errstate(all="ignore"):
        results = executed(emitted(request))["step"](*arrays)
    expected = evaluate(derived.roots, dict(zip(request.leaves, arrays, strict=True)))
    return [np.asarray(x) for x in results], expected


def agree(request: Graph, rtol: float = 0.0, arrays: Sequence[Array] | None = None) -> None:
    """The same results, bit for bit unless a tolerance is given, and the same dtypes."""
    results, expected = both(request, arrays)
    for (_, node), result, wanted in zip(request.outputs, results, expected, strict=False):
        assert result.dtype == wanted.dtype == node.dtype
        assert result.shape == wanted.shape
        np.testing.assert_allclose(result, wanted, rtol=rtol, atol=rtol)
