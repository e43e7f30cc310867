"""Blocks: some rows of a matrix go through products and the loops between them before the next do.

Attention is a batch of products `q kᵀ`, loops over their rows, and products with these: of each
matrix of the batch some rows are computed, and used in all of this. So a matrix that has an element
for each pair of places is never there as a whole, if only these loops read it, neither forwards nor
backwards: its rows lie in memory of the function's own.

What is added up over all rows, such as the gradient of the keys, is added up for one block of rows
after the other, and threads share the batch: the result depends on sizes alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..ir import Node
from ..types import BYTES, Shape, divide, product
from .chains import Chain
from .loops import Entry, Kernel, Loop, Panel, Statement, statements
from .panels import TILE
from .scalars import axis, in_place
from .sizes import long_axes
from .wholes import Core, Whole

ROOM = 512 * 1024  # bytes of a block: half of a second-level cache
ROWS = 64  # of a block, at most
LARGEST = 2 * 1024 * 1024  # bytes of a block: a thread's stack has 8 MB


def blocked(kernels: Sequence[Kernel], outputs: Collection[Node]) -> tuple[Kernel, ...]:
    """Kernels of which some go through products by blocks of rows.

    Args:
        kernels: in order.
        outputs: tensors that have to lie in memory.
    """
    done: list[Kernel] = []
    rest = list(kernels)
    while rest:
        found = None
        rows = _rows_of(rest[0].core)
        if rows is not None:
            *batch, dim = rows
            whole = _Blocks(None, dim, batch=tuple(batch))
            whole.take_all(rest)
            # What comes behind the last piece stays there, in its order.
            blocks = _Blocks(None, dim, batch=tuple(batch), only=whole.connected())
            last = blocks.take_all(rest)
            if last:
                blocks = _Blocks(None, dim, batch=tuple(batch), only={*blocks.inside})
                blocks.take_all(rest[:last])
                behind = (x for kernel in rest[last:] for x in kernel.reads())
                found = blocks.found({*outputs, *behind})
        if found is None:
            done.append(rest.pop(0))
        else:
            before, kernel, later = found
            done += [*before, kernel]
            rest = [*later, *rest[last:]]
    return tuple(done)


def _rows_of(core: Whole | None) -> Shape | None:
    """The batch of a product, and the rows of the matrices that it is made of, or adds up."""
    if not isinstance(core, Core) or not core.batch:
        return None
    return (*core.batch, core.k if core.left_transposed else core.m)


def _is_in_front(core: Core, side: int) -> bool:
    """Whether matrices lie one after the other."""
    return not core.places or core.places[side] == (*range(len(core.batch)), None, None)


@dataclass(slots=True)
class _Blocks(Chain):
    """The pieces of kernels that go by rows of each matrix of a batch, and the others."""

    batch: Shape = ()
    only: Collection[Entry | Core] | None = None  # what may be inside; None if anything may

    @property
    def _axes(self) -> Shape:
        return (*self.batch, self.dim)

    def _own(self, index: Sequence[Node], dims: Shape) -> bool:
        places = [(x, dim) for x, dim in zip(index, dims, strict=True) if dim != 1]
        own = [(axis(depth, dim), dim) for depth, dim in enumerate(self._axes)]
        return places[: len(own)] == own

    def _goes_along(self, entry: Entry) -> bool:
        if self.only is not None and entry not in self.only:
            return False
        level = [entry]
        for depth, dim in enumerate(self._axes):
            if not all(isinstance(x, Loop) and x.axis is axis(depth, dim) for x in level):
                return False
            level = [y for x in level if isinstance(x, Loop) for y in x.body]
        return True

    def _divides(self, member: Statement) -> bool:
        dims = member.target.shape if member.shape is None else member.shape
        return not in_place(member.target) and self._own(member.index, dims)

    def _takes(self, core: Whole) -> bool:
        """Whether a product is one of rows, or adds up products of rows; then it is inside."""
        if (
            not isinstance(core, Core)
            or core.batch != self.batch
            or (self.only is not None and core not in self.only)
            or not core.batch
            or {*core.operands} & self._written
            or (core.left in self._rows and not _is_in_front(core, 0))
        ):
            return False
        if not core.left_transposed and core.m == self.dim:
            if core.right in self._rows:
                return False
            self._across.add(core.right)
            if _is_in_front(core, 2) and long_axes(core.node.shape)[:-1] == self._axes:
                self._rows.add(core.node)
            else:
                self._written.add(core.node)
        elif core.left_transposed and not core.right_transposed and core.k == self.dim:
            if core.right in self._rows and not _is_in_front(core, 1):
                return False
            self._written.add(core.node)
        else:
            return False
        self._seen |= {*core.operands, core.node}
        self.inside.append(core)
        return True

    def take_all(self, kernels: Sequence[Kernel]) -> int:
        """The pieces of several kernels; how many there are up to the last that has one inside."""
        last = 0
        for place, kernel in enumerate(kernels, 1):
            inside = len(self.inside)
            self.take(kernel)
            if len(self.inside) > inside:
                last = place
        return last

    def connected(self) -> set[Entry | Core]:
        """What is inside and has something to do with the first of it."""
        touched: dict[Entry | Core, set[Node]] = {}
        made, read, left = set[Node](), set[Node](), set[Node]()
        for x in self.inside:
            if isinstance(x, Core):
                touched[x] = {*x.operands, x.node}
                made.add(x.node)
                left.add(x.left)
            elif isinstance(x, Loop):
                loads = {y.operands[0] for member in statements([x]) for y in member.loads}
                written = {member.target for member in statements([x])}
                touched[x] = loads | written
                made |= written
                read |= loads
        links = made | (left & read)
        found: set[Entry | Core] = set()
        wanted = [*touched][:1]
        while wanted:
            x = wanted.pop()
            found.add(x)
            own = touched[x] & links
            wanted += [y for y in touched if y not in found and touched[y] & own]
        return found

    def found(self, outputs: Collection[Node]) -> tuple[list[Kernel], Kernel, list[Kernel]] | None:
        """What comes before the blocks, the blocks and what comes later, if they are worth it.

        Args:
            outputs: tensors that others need.
        """
        before, later = list(self._before.whole()), list(self._later.whole())
        used = Counter(
            x for kernel in (*before, *later) for x in (*kernel.reads(), *kernel.writes())
        )
        local = [x for x in self._alone({*outputs, *used}) if self._bytes(x)]
        cores = [x for x in self.inside if isinstance(x, Core)]
        made = {core.node for core in cores} & {*local}
        size = sum(map(self._bytes, local))
        if len(cores) < 2 or not made or size * TILE > LARGEST:
            return None
        count = max(min(ROWS, ROOM // size) // TILE * TILE, TILE)
        if isinstance(self.dim, int):
            alike = (n for n in range(count, count // 2, -TILE) if self.dim % n == 0)
            count = min(next(alike, count), self.dim)
        panel = Panel(self.dim, count, tuple(self.inside), tuple(local), batch=self.batch)
        return before, Kernel(None, (), panel), later

    def _bytes(self, x: Node) -> int:
        size = divide(x.type.size, product(self._axes))
        return size * BYTES[x.dtype] if isinstance(size, int) else 0
