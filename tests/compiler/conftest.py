"""Random graphs that train: inputs, parameters, every kind of op, gradients and updates."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.autodiff import backward
from chainrule.compiler.errors import ChainruleError
from chainrule.compiler.ir import OPS, Graph, Node, const, evaluate, leaf, make, walk
from chainrule.compiler.ops import index, linear, random as draws, reduce, shape
from chainrule.compiler.ops.arithmetic import abs, add, maximum, minimum, multiply, square, where
from chainrule.compiler.ops.elementary import exp, logaddexp, sin, tanh
from chainrule.compiler.ops.special import relu, sigmoid, softplus
from chainrule.compiler.passes.lower import Lower
from chainrule.compiler.program import Program
from chainrule.compiler.targets.cpu import TARGET
from chainrule.compiler.types import TensorType, product, symbol, value
from chainrule.runtime.devices import load
from chainrule.runtime.devices.base import Executable

Values = Mapping[Node, "np.ndarray[Any, Any]"]

BATCH = symbol("batch")
UNARY: list[Callable[[Node], Node]] = [
    tanh, exp, sigmoid, softplus, square, abs, relu, sin,
    lambda x: -x,
    lambda x: x / (1 + square(x)),
]  # fmt: skip
BINARY: list[Callable[[Node, Node], Node]] = [
    add, multiply, maximum, minimum, logaddexp,
    lambda a, b: a / (1 + square(b)),
    lambda a, b: where(a > b, a, b * 2),
]  # fmt: skip


class RandomGraph:
    """A graph drawn from a seed, and values for its leaves."""

    def __init__(self, seed: int, dtype: str) -> None:
        self.choose, self.dtype = random.Random(seed), dtype
        n, m = self.choose.choice((1, 2, 3, 5)), self.choose.choice((1, 3, 4))
        shapes = [(n, m), (m,), (n,), (m, n), (), (n, 1)]
        self.params = [
            leaf(f"p{i}", TensorType(dtype, self.choose.choice(shapes)), "param") for i in range(3)
        ]
        self.x = leaf("x", TensorType(dtype, (BATCH, n)), "input")
        self.w = leaf("w", TensorType(dtype, (BATCH, m)), "input")
        self.places = leaf("places", TensorType("int64", (BATCH,)), "input")
        self.seed = leaf("seed", TensorType("int64"), "input")
        self.pool = [*self.params, self.x, self.w]
        given = len(self.pool)
        for _ in range(self.choose.randint(5, 14)):
            try:
                made = self.step(self.choose.choice(self.pool))
            except ChainruleError:
                continue  # shapes that do not fit
            if made is not None and made.type.ndim <= 3:
                self.pool.append(made)
        self.tops = self.pool[given:][-4:] or [tanh(self.x)]

    def step(self, x: Node) -> Node | None:
        """One more node."""
        kind = self.choose.choice(
            ("unary", "unary", "binary", "binary", "matmul", "reduce", "move")
        )
        if kind == "unary":
            return self.choose.choice(UNARY)(x)
        if kind == "binary":
            return self.choose.choice(BINARY)(x, self.choose.choice(self.pool))
        if kind == "matmul":
            fits = [y for y in self.pool if x.shape and y.shape[-2:-1] == x.shape[-1:]]
            return linear.matmul(x, self.choose.choice(fits or self.pool))
        if not x.shape:
            return None
        axis = self.choose.randrange(x.type.ndim)
        if kind == "reduce":
            op = self.choose.choice(
                ("sum", "mean", "norm", "logsumexp", "softmax", "log_softmax", "cumulative_sum")
            )
            if op == "cumulative_sum":
                return reduce.cumulative_sum(x, axis)
            made = make(OPS[op], (x,), axes=(axis,))
            again = made.shape != x.shape and self.choose.random() < 0.5
            return reduce.kept(made, x, (axis,)) if again else made
        return self.moved(x, axis)

    def moved(self, x: Node, axis: int) -> Node | None:
        """Elements in other places."""
        kind = self.choose.choice("transpose flip pad concat reshape slice take dropout".split())
        whole = (0,) * x.type.ndim
        once = tuple(int(i == axis) for i in range(x.type.ndim))
        size = x.shape[axis]
        if kind == "transpose":
            return shape.transpose(x, tuple(reversed(range(x.type.ndim))))
        if kind == "flip":
            return shape.flip(x, (axis,))
        if kind == "pad":
            return shape.pad(x, once, whole, whole, 0.5)
        if kind == "concat":
            return shape.concat((x, tanh(x)), axis)
        if kind == "reshape":
            return shape.reshape(x, (product(x.shape),))
        if kind == "dropout":
            step = const(3, "int64")
            return make(draws.DROPOUT, (x, self.seed, step), rate=0.4, stream=1)
        if not isinstance(size, int):
            return None
        if kind == "slice" and size > 1:
            return shape.slice_(x, once, x.shape, (1,) * x.type.ndim)
        places = make(OPS["remainder"], (self.places, const(size, "int64")))
        if x.type.ndim == 2 and x.shape[0] == BATCH:
            column = shape.reshape(places, (BATCH, 1))
            return make(index.TAKE_ALONG, (x, column), axis=1)
        return make(index.TAKE, (x, places), axis=axis)

    def graph(self) -> Graph:
        """A loss, its gradients, and a step against them."""
        loss = const(0, self.dtype)
        for top in self.tops:
            small = tanh(top * 0.3)
            axes = tuple(range(top.type.ndim))
            loss = loss + (make(reduce.MEAN, (small,), axes=axes) if axes else small)
        grads = backward(loss, [*self.params, self.x], const(1, self.dtype))
        outputs = [("loss", loss), *((f"y{i}", top) for i, top in enumerate(self.tops))]
        if self.x in grads:
            outputs.append(("dx", grads[self.x]))
        updates = tuple((p, p - 0.1 * grads[p]) for p in self.params if p in grads)
        inputs = (self.x, self.w, self.places, self.seed)
        return Graph("random", inputs, tuple(self.params), (), tuple(outputs), updates)


@pytest.fixture(scope="session")
def random_graph() -> Callable[[int, str], Graph]:
    return lambda seed, dtype: RandomGraph(seed, dtype).graph()


@pytest.fixture(scope="session")
def random_values() -> Callable[..., dict[Node, np.ndarray]]:
    """Values for the leaves of a graph, where `batch` has some size."""

    def draw(graph: Graph, batch: int, seed: int = 0, below: int = 5) -> dict[Node, np.ndarray]:
        generator = np.random.default_rng(seed)
        values = {}
        for x in graph.leaves:
            dims = tuple(value(dim, {"batch": batch}) for dim in x.shape)
            if x.type.is_float:
                drawn: Any = generator.normal(size=dims)
            else:
                drawn = generator.integers(0, below, dims)
            values[x] = np.asarray(drawn, x.dtype)
        return values

    return draw


class Cpu:
    """Graphs, compiled for target cpu and run."""

    @staticmethod
    def graph_of(
        outputs: Iterable[tuple[str, Node]], updates: Iterable[tuple[Node, Node]] = ()
    ) -> Graph:
        """A graph whose leaves are found by themselves."""
        outputs, updates = tuple(outputs), tuple(updates)
        roots = (
            [node for _, node in outputs]
            + [new for _, new in updates]
            + [old for old, _ in updates]
        )
        leaves = [x for x in walk(roots) if x.op.name == "leaf"]
        inputs = tuple(x for x in leaves if x.attr("role") in ("input", "setting"))
        params, state = (
            tuple(x for x in leaves if x.attr("role") == role) for role in ("param", "state")
        )
        return Graph("g", inputs, params, state, outputs, updates)

    @staticmethod
    def emit(graph: Graph) -> Program:
        return TARGET.emit(Lower(TARGET.spells)(graph), "0" * 32)

    @staticmethod
    def given(
        executable: Executable, graph: Graph, values: Values
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Copies of the leaves' values, by name, in the program's order."""
        by_name = {x.attr("name"): x for x in graph.leaves}
        return {b.name: np.array(values[by_name[b.name]], order="C") for b in executable.given}

    @staticmethod
    def step(executable: Executable, graph: Graph, values: Values) -> list[np.ndarray[Any, Any]]:
        """Outputs, and updated parameters and states, of one step."""
        arrays = Cpu.given(executable, graph, values)
        outputs = executable.call(*arrays.values())
        return [*outputs, *(arrays[old.attr("name")] for old, _ in graph.updates)]

    @staticmethod
    def agree(
        graph: Graph,
        draw: Callable[..., dict[Node, np.ndarray[Any, Any]]],
        batches: Sequence[int],
        tolerance: float | None = None,
        **drawn: Any,
    ) -> None:
        """The program does what the graph means, compiled once, at every batch size."""
        executable = load(Cpu.emit(graph))
        for batch in batches:
            values = draw(graph, batch, **drawn)
            want = evaluate(graph.roots, values, {"batch": batch})
            names = [name for name, _ in graph.outputs]
            names += [old.attr("name") for old, _ in graph.updates]
            for name, got, expected in zip(
                names, Cpu.step(executable, graph, values), want, strict=True
            ):
                expected = np.asarray(expected)
                assert (got.dtype, got.shape) == (expected.dtype, expected.shape), name
                loose = {"float32": 3e-5, "float64": 1e-11}.get(str(got.dtype), 0)
                tol = loose if tolerance is None else tolerance
                scale = max(
                    1.0, float(np.max(np.abs(expected), initial=0, where=np.isfinite(expected)))
                )
                np.testing.assert_allclose(
                    got, expected, rtol=tol, atol=tol * scale, err_msg=f"{name} at batch {batch}"
                )


@pytest.fixture
def cpu() -> type[Cpu]:
    return Cpu
