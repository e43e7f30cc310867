"""Random graphs of public functions, grown one call at a time, with their values at several sizes.

A `Growth` holds tensors; a line of a table calls one function on some of them. Each new tensor is
evaluated at once, at every case of sizes: what is too large, not finite or not defined there is
left out again, and its type is compared with what came out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

import chainrule as cr
from chainrule.compiler.errors import ChainruleError, ShapeError
from chainrule.compiler.ir import Graph, Node, evaluate, is_leaf, leaf, walk
from chainrule.compiler.ops import convert
from chainrule.compiler.ops.broadcasting import broadcast_dims
from chainrule.compiler.ops.gradient import WANTED
from chainrule.compiler.ops.steps import everywhere, with_steps
from chainrule.compiler.passes.differentiate import Differentiate
from chainrule.compiler.types import Dim, Shape, TensorType, add, mul, symbol, value

Array: TypeAlias = "np.ndarray[Any, Any]"
Sizes: TypeAlias = Mapping[str, int]
Line: TypeAlias = "Callable[[Growth], Any]"

BATCH, N = symbol("batch"), symbol("n")
ODD = add(mul(N, 2), 1)
DIMS: tuple[Dim, ...] = (BATCH, N, ODD, 1, 2, 3, 4)
ORDINARY: Sizes = {"batch": 3, "n": 2}
OTHERS: tuple[Sizes, ...] = (
    {"batch": 1, "n": 1},
    {"batch": 5, "n": 3},
    {"batch": 2, "n": 4},
    {"batch": 0, "n": 2},
    {"batch": 2, "n": 0},
)
LARGEST = 60.0  # of an element
MOST = 500  # elements


class Growth:
    """Tensors so far.

    Args:
        choose: what decides.
        dtype: the dtype of most floats.
        cases: sizes at which there are values; finite differences are taken at the first.
        name: what the names of its inputs begin with.
    """

    def __init__(
        self,
        choose: random.Random,
        dtype: str = "float64",
        cases: Sequence[Sizes] = (ORDINARY, OTHERS[0]),
        name: str = "x",
    ) -> None:
        self.choose, self.dtype, self.cases, self.name = choose, dtype, tuple(cases), name
        self.generator = np.random.default_rng(choose.getrandbits(32))
        self.inputs: list[Node] = []
        self.pool: list[cr.Tensor] = []
        self.values: list[dict[Node, Array]] = [{} for _ in self.cases]
        self.grown: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        # Whether a derivative was declared that is not the formula's.
        self.declared = False
        self.fresh((BATCH, N))
        self.fresh((BATCH, 3))

    # What is drawn from

    def some(self, items: Iterable[Any]) -> Any:
        """One of several."""
        return self.choose.choice(list(items))

    def chance(self, probability: float) -> bool:
        """True as often."""
        return self.choose.random() < probability

    def fresh(
        self, shape: Shape, dtype: str | None = None, low: float = -1.5, high: float = 1.5
    ) -> cr.Tensor:
        """A new input with values between two bounds."""
        type_ = TensorType(dtype or self.dtype, shape)
        node = leaf(f"{self.name}{len(self.inputs)}", type_, "input")
        for known, sizes in zip(self.values, self.cases, strict=True):
            dims = tuple(value(dim, sizes) for dim in shape)
            known[node] = self.drawn(dims, type_.dtype, low, high)
        self.inputs.append(node)
        made = cr.Tensor(node)
        self.pool.append(made)
        return made

    def drawn(self, dims: tuple[int, ...], dtype: str, low: float, high: float) -> Array:
        """An array for an input."""
        if dtype == "bool":
            return np.asarray(self.generator.random(dims) < 0.6)
        if dtype.startswith("int"):
            return np.asarray(self.generator.integers(-3, 6, dims), dtype)
        return np.asarray(self.generator.uniform(low, high, dims), dtype)

    def shape(self, ndim: int | None = None) -> Shape:
        """Sizes of a new input."""
        rank = self.some((0, 1, 1, 2, 2, 3)) if ndim is None else ndim
        return tuple(self.some(DIMS) for _ in range(rank))

    # Operands

    def of(
        self, fits: Callable[[cr.Tensor], bool], otherwise: Callable[[], cr.Tensor]
    ) -> cr.Tensor:
        """A tensor that is there and fits, the later ones rather, or another."""
        fitting = [t for t in self.pool if fits(t)]
        if not fitting or self.chance(0.1):
            return otherwise()
        found: cr.Tensor = self.some(fitting[-4:] if self.chance(0.7) else fitting)
        return found

    def real(self, shape: Shape | None = None, *, least: int = 0, most: int = 4) -> cr.Tensor:
        """A float tensor: of a shape, or of some number of axes."""

        def fits(t: cr.Tensor) -> bool:
            if t.dtype != self.dtype or t.weak:
                return False
            return least <= t.ndim <= most if shape is None else t.shape == shape

        def new() -> cr.Tensor:
            rank = self.choose.randint(least, max(least, min(most, 3)))
            return self.fresh(self.shape(rank) if shape is None else shape)

        return self.of(fits, new)

    def number(self, shape: Shape | None = None) -> cr.Tensor:
        """A tensor of floats or integers."""
        return self.integer(shape) if self.chance(0.2) else self.real(shape)

    def whatever(self) -> cr.Tensor:
        """A tensor of any dtype."""
        return self.of(lambda t: True, self.real)

    def integer(self, shape: Shape | None = None) -> cr.Tensor:
        """A tensor of integers."""
        dtype = self.some(("int64", "int64", "int32"))
        return self.of(
            lambda t: t.dtype == dtype and shape in (None, t.shape) and not t.weak,
            lambda: self.fresh(self.shape() if shape is None else shape, dtype),
        )

    def truth(self, shape: Shape | None = None) -> cr.Tensor:
        """A tensor of truth values."""
        return self.of(
            lambda t: t.dtype == "bool" and shape in (None, t.shape),
            lambda: self.fresh(self.shape() if shape is None else shape, "bool"),
        )

    def partner(self, x: cr.Tensor) -> cr.Tensor:
        """A tensor of the dtype of `x` that broadcasts with it."""

        def fits(t: cr.Tensor) -> bool:
            try:
                broadcast_dims("test", (t.shape, x.shape))
            except ChainruleError:
                return False
            return t.dtype == x.dtype and not t.weak

        kept = x.shape[self.choose.randint(0, x.ndim) :]
        return self.of(fits, lambda: self.fresh(tuple(self.some((1, d, d)) for d in kept), x.dtype))

    def within(self, x: cr.Tensor, low: float, high: float) -> cr.Tensor:
        """`x` if it lies between two bounds, else something of it that does."""
        arrays = [known[x.node] for known in self.values]
        if all(np.all((a >= low) & (a <= high)) for a in arrays):
            return x
        middle, half = (low + high) / 2, (high - low) / 2
        return middle + half * 0.95 * cr.sin(x)

    def axis(self, x: cr.Tensor) -> int:
        """An axis of `x`, perhaps counted from the end."""
        return self.choose.randint(-x.ndim, x.ndim - 1)

    def axes(self, x: cr.Tensor) -> Any:
        """None, an axis, or several."""
        if not x.ndim or self.chance(0.2):
            return None
        if self.chance(0.5):
            return self.axis(x)
        return tuple(self.choose.sample(range(x.ndim), self.choose.randint(1, x.ndim)))

    def size(self, dim: Dim) -> cr.Tensor:
        """A size as a number."""
        return cr.Tensor(convert.size(dim, "int64"))

    def positions(self, dim: Dim, shape: Shape | None = None) -> cr.Tensor:
        """Positions along an axis of this size, perhaps counted from the end."""
        found = cr.remainder(cr.astype(self.integer(shape), "int64"), self.size(dim))
        return found - self.size(dim) if self.chance(0.2) else found

    def known_positions(self, size: int) -> Array:
        """An array of positions that is given as such."""
        shape = self.some(((), (3,), (2, 2), (1,)))
        return np.asarray(self.generator.integers(-size, size, shape))

    def matrix(self, positive: bool = False) -> cr.Tensor:
        """Square matrices that are well conditioned, perhaps positive definite."""
        x = self.real(least=2, most=3)
        if positive or self.chance(0.5):
            rows = x.shape[-2]
            return x @ cr.matrix_transpose(x) + cr.eye(rows, dtype=x.dtype) * 1.5
        n = self.some((N, 1, 3))
        square = self.real(self.some(((n, n), (BATCH, n, n))))
        return 0.3 * square + cr.eye(n, dtype=x.dtype) * 2

    # Growing

    def grow(self, name: str, line: Line) -> bool:
        """Call a line; whether it gave a tensor that stays."""
        state = len(self.inputs), len(self.pool)
        flag = self.declared
        try:
            made = line(self)
        except ChainruleError:  # shapes that do not fit together
            made = ()
        tensors = made if isinstance(made, tuple | list) else (made,)
        kept = [t for t in tensors if isinstance(t, cr.Tensor) and self.valued(t)]
        self.pool.extend(kept)
        told = self.grown if kept else self.refused
        told[name] = told.get(name, 0) + 1
        if not kept:
            del self.inputs[state[0] :], self.pool[state[1] :]
            self.declared = flag
        return bool(kept)

    def valued(self, t: cr.Tensor) -> bool:
        """Whether a tensor has values that are fit to go on with, of the type that it says."""
        if t.ndim > 5:
            return False
        found = []
        for known, sizes in zip(self.values, self.cases, strict=True):
            try:
                (array,) = evaluated([t.node], known, sizes)
            except (ChainruleError, ValueError, ZeroDivisionError):
                return False  # of no elements there is no largest, for example
            expected = tuple(value(dim, sizes) for dim in t.shape)
            if (array.dtype.name, array.shape) != (t.dtype, expected):
                self.refuse(t, known, expected, array)
                return False
            sound = np.all(np.abs(array.astype(float)) <= LARGEST)
            if array.size > MOST or not sound:
                return False
            found.append(array)
        for known, array in zip(self.values, found, strict=True):
            known[t.node] = array
        return True

    def refuse(
        self, t: cr.Tensor, known: dict[Node, Array], expected: tuple[int, ...], array: Array
    ) -> None:
        """A tensor is not what it says: that is right if a program says the sizes are too small."""
        program = cr.function([cr.Tensor(x) for x in self.inputs], t, "numpy")
        try:
            program(*(known[x] for x in self.inputs))
        except ShapeError:
            return
        raise AssertionError(f"{t} is {array.dtype}{array.shape}, expected {expected}")

    def tops(self) -> list[cr.Tensor]:
        """What nothing else was made of, the last ones."""
        nodes = {t.node: t for t in self.pool if not is_leaf(t.node)}
        below = {x for node in nodes for x in walk([node]) if x is not node}
        found = [t for node, t in nodes.items() if node not in below]
        return found[-6:]

    def given(self) -> list[dict[Node, Array]]:
        """The values of the inputs, for each case."""
        return [{x: known[x] for x in self.inputs} for known in self.values]


def evaluated(roots: Sequence[Node], known: Mapping[Node, Any], sizes: Sizes) -> list[Array]:
    """The reference values of nodes, gradients taken by the chain rule alone."""
    order = walk(roots)
    if any(x.op in WANTED for x in with_steps(order)):
        outputs = tuple((f"y{i}", node) for i, node in enumerate(roots))
        roots = everywhere(Differentiate(), Graph("g", outputs=outputs)).roots
        known = {node: array for node, array in known.items() if is_leaf(node)}
    return [np.asarray(array) for array in evaluate(roots, known, sizes)]
