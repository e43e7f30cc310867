"""What a schedule means: it is run element by element."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from chainrule.compiler.ir import CONST, Graph, Node, evaluate
from chainrule.compiler.ops.base import Scalar
from chainrule.compiler.ops.convert import CAST, SIZE
from chainrule.compiler.passes.loops import Entry, Kernel, Loop, Panel, Schedule, Start, Statement
from chainrule.compiler.passes.memory import plan
from chainrule.compiler.passes.scalars import (
    AXIS,
    CHECKED,
    DRAW,
    LOAD,
    PARTS,
    TURN,
    in_place,
    inner,
    scalars,
)
from chainrule.compiler.passes.schedule import schedule
from chainrule.compiler.passes.wholes import Core
from chainrule.compiler.reference import function, uniform
from chainrule.compiler.types import value


def checked(graph: Graph, values: Mapping[Node, np.ndarray], batch: int) -> Schedule:
    """The schedule of a lowered graph, which does what the graph means."""
    planned = schedule(graph)
    memory = Interpreter(planned, values, {"batch": batch}).memory
    got = [memory[x] for x in planned.outputs] + [memory[old] for old, _ in graph.updates]
    for found, expected in zip(got, evaluate(graph.roots, values), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    return planned


class Interpreter:
    """Runs a schedule element by element, slowly, in buffers that begin as NaN."""

    def __init__(
        self, planned: Schedule, values: Mapping[Node, np.ndarray], sizes: Mapping[str, int]
    ) -> None:
        self.sizes = dict(sizes)
        self.memory = {x: np.array(array, order="C") for x, array in values.items()}
        self.fault = self.turn = self.rows = 0
        self.matrix: tuple[int, ...] = ()  # which one of a batch there are blocks of
        self.part: tuple[int, int] | None = None  # the rows that a panel has
        self.shares: tuple[Node, ...] = ()  # sums of which it has a part
        kept = frozenset(planned.stored)
        flat: dict[Node, np.ndarray] = {}
        for slot in plan(planned.kernels, [x for x in kept if x not in planned.outputs]):
            buffer = self.fresh(slot.dtype, (value(slot.size, sizes),))
            flat.update(dict.fromkeys(slot.tensors, buffer))
        for kernel in planned.kernels:
            self.partial: dict[Statement, Any] = {}
            for x in {**kernel.reads(), **kernel.writes()}:
                dims = tuple(value(dim, sizes) for dim in x.shape)
                if x in flat:
                    self.memory[x] = flat[x][: int(np.prod(dims))].reshape(dims)
                elif x not in self.memory:
                    self.memory[x] = self.fresh(x.dtype, dims)
            if kernel.panel is not None:
                self.panels(kernel, kernel.panel)
            elif isinstance(kernel.core, Core):
                self.core(kernel.core)
            self.run(kernel.body, {})

    @staticmethod
    def fresh(dtype: str, dims: tuple[int, ...]) -> np.ndarray:
        poison = np.nan if dtype.startswith("float") else 77
        return np.full(dims, poison, dtype)

    def shaped(self, x: Node, dims: Any) -> np.ndarray:
        return self.memory[x].reshape([value(dim, self.sizes) for dim in dims])

    def panels(self, kernel: Kernel, panel: Panel) -> None:
        """Panels, the last one first: they need nothing of each other."""
        if panel.batch:
            self.blocks(panel)
            return
        self.rows, self.shares = value(panel.dim, self.sizes), panel.shares
        for first in reversed(range(0, self.rows, panel.rows)):
            self.turn = first // panel.rows
            self.part = (first, min(first + panel.rows, self.rows))
            for x in (*panel.local, *panel.shares):
                self.memory[x][...] = self.fresh(x.dtype, ())
            if isinstance(kernel.core, Core):
                self.core(kernel.core)
            self.run(panel.body, {})
        self.part, self.shares = None, ()

    def blocks(self, panel: Panel) -> None:
        """Blocks of each matrix, one after the other; the last matrix first."""
        self.rows = value(panel.dim, self.sizes)
        for place in reversed(list(np.ndindex(*(value(dim, self.sizes) for dim in panel.batch)))):
            self.matrix = place
            for first in range(0, self.rows, panel.rows):
                self.part = (first, min(first + panel.rows, self.rows))
                for x in panel.local:
                    self.memory[x][...] = self.fresh(x.dtype, ())
                self.run(panel.body, {})
        self.part, self.matrix = None, ()

    def product_of_block(self, core: Core) -> None:
        """A product of some rows of a matrix, or what they add to a sum over all rows."""
        assert self.part is not None
        first, last = self.part
        a, b, out = (x[self.matrix] for x in self.matrices(core))
        if not core.left_transposed:
            out[first:last] = a[first:last] @ b
            return
        if not first:
            out[...] = 0
        out += a[:, first:last] @ b[first:last]

    def matrices(self, core: Core) -> list[np.ndarray]:
        """Left, right and result, the batch in front and each matrix as it is multiplied."""
        front = (*range(len(core.batch)), None, None)
        found = []
        turned = (core.left_transposed, core.right_transposed, False)
        for side, ((x, matrix), is_turned) in enumerate(zip(core.matrices, turned, strict=True)):
            places = core.places[side] if core.places else front
            own = iter(matrix)
            dims = [next(own) if axis is None else core.batch[axis] for axis in places]
            order = [places.index(axis) for axis in front[:-2]]
            order += [i for i, axis in enumerate(places) if axis is None]
            view = self.shaped(x, dims).transpose(order)
            found.append(np.swapaxes(view, -1, -2) if is_turned else view)
        return found

    def places(self, size: int) -> tuple[int, int]:
        """Where the positions of an axis begin and end: those of a panel, if we are in one."""
        if self.part is None:
            return 0, size
        first, last = self.part
        each = size // max(self.rows, 1)
        return first * each, last * each

    def core(self, core: Core) -> None:
        if self.matrix:
            self.product_of_block(core)
            return
        if core.node.op is PARTS or core.node in self.shares:
            a = self.shaped(core.left, (core.k, core.m))
            b = self.shaped(core.right, (core.k, core.n))
            first, last = self.places(len(a))
            out = self.memory[core.node]
            out = out[self.turn] if core.node.op is PARTS else out
            out[...] = a[first:last].T @ b[first:last]
            return
        a, b, out = self.matrices(core)
        first, last = self.places(len(out))
        if core.batch:
            out[first:last] = a[first:last] @ b[first:last]
        else:
            out[first:last] = a[first:last] @ b

    def run(self, entries: Iterable[Entry | Core], at: dict[Node, int]) -> None:
        late: list[tuple[Statement, Any]] = []
        for entry in entries:
            if isinstance(entry, Core):
                self.core(entry)
            elif isinstance(entry, Statement):
                # What is updated in place is written behind all that its neighbors read.
                if in_place(entry.target):
                    late.append((entry, self.eval(entry.value, at)))
                else:
                    self.statement(entry, at)
            if isinstance(entry, Core | Statement):
                continue
            self.updates(late, at)
            if isinstance(entry, Loop):
                size = value(entry.axis.attr("dim"), self.sizes)
                depth = entry.axis.attr("depth")
                places = range(*self.places(size)) if depth == len(self.matrix) else range(size)
                if depth < len(self.matrix):
                    places = range(self.matrix[depth], self.matrix[depth] + 1)
                for i in places:
                    self.run(entry.body, {**at, entry.axis: i})
            elif isinstance(entry, Start):
                s = entry.statement
                empty = {"prod": 1, "all": True, "max": None, "min": None}.get(s.combine, 0)
                self.partial[s] = None if s.combine in ("argmax", "argmin") else empty
                if not s.local:
                    known = [
                        self.eval(x, at)
                        if x in at or x.op is TURN or (x.op is CONST and s.combine == "sum")
                        else slice(None)
                        for x in s.index
                    ]
                    fill = s.node.attr("value") if s.combine == "put" else 0
                    self.memory[s.target][tuple(known)] = fill
            else:
                s = entry.statement
                found = self.partial[s]
                found = found[1] if s.combine in ("argmax", "argmin") else found
                self.write(s, at, np.dtype(s.target.dtype).type(found))
        self.updates(late, at)

    def updates(self, late: list[tuple[Statement, Any]], at: dict[Node, int]) -> None:
        for statement, found in late:
            self.write(statement, at, found)
        late.clear()

    def statement(self, s: Statement, at: dict[Node, int]) -> None:
        found = self.eval(s.value, at)
        if s.combine in ("", "put"):
            self.write(s, at, found)
        elif not s.local:
            where = tuple(int(self.eval(x, at)) for x in s.index)
            self.seen(s)[where] += found
        elif s.combine in ("argmax", "argmin"):
            place = next(i for x, i in at.items() if x.attr("depth") == s.ready)
            best = self.partial[s]
            sign = 1 if s.combine == "argmax" else -1
            better = best is None or sign * found > sign * best[0]
            if better or (np.isnan(found) and not np.isnan(best[0])):
                self.partial[s] = (found, place)
        else:
            before = self.partial[s]
            combine = {
                "sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum,
                "any": np.logical_or, "all": np.logical_and,
            }[s.combine]  # fmt: skip
            self.partial[s] = found if before is None else combine(before, found)

    def write(self, s: Statement, at: dict[Node, int], found: Any) -> None:
        where = tuple(int(self.eval(x, at)) for x in s.index)
        self.seen(s)[where] = found

    def seen(self, s: Statement) -> np.ndarray:
        return self.memory[s.target] if s.shape is None else self.shaped(s.target, s.shape)

    def eval(self, node: Node, at: Mapping[Node, int]) -> Any:
        known: dict[Node, Any] = {}
        for x in scalars([node]):
            known[x] = self.one(x, [known[y] for y in inner(x)], at)
        return known[node]

    def one(self, x: Node, args: list[Any], at: Mapping[Node, int]) -> Any:
        if x.op is AXIS:
            return at[x]
        if x.op is TURN:
            return self.turn
        if x.op is CONST:
            return np.dtype(x.dtype).type(x.attr("value"))
        if x.op is SIZE:
            return np.dtype(x.dtype).type(value(x.attr("dim"), self.sizes))
        if x.op is CAST:
            return np.asarray(args[0]).astype(x.dtype)[()]
        if x.op is LOAD:
            if x.attr("guarded") and not args[-1]:
                return np.dtype(x.dtype).type(0)
            where = tuple(int(i) for i in args[: len(x.attr("shape"))])
            dims = self.shaped(x.operands[0], x.attr("shape"))
            assert all(0 <= i < n for i, n in zip(where, dims.shape, strict=True)), "outside"
            return dims[where]
        if x.op is CHECKED:
            if len(args) > 1 and not args[1]:
                return 0
            inside = 0 <= args[0] < value(x.attr("dim"), self.sizes)
            self.fault = self.fault or (0 if inside else x.attr("code"))
            return args[0] if inside else 0
        if x.op is DRAW:
            seed, step, position = map(int, args)
            drawn = uniform(seed, step, x.attr("stream"), (position + 1,), x.attr("dtype"))
            return drawn[position]
        assert isinstance(x.op, Scalar)
        with np.errstate(all="ignore"):
            return function(x.op.numpy)(*args)
