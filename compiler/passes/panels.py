"""Panels: some rows of a product go through the loops behind it before the next are computed.

Long loops without a product go by panels too, so that threads can share them. Where they need all
that was computed before them, as what is normalized over a batch needs its mean, they are another
kernel.

What only these loops read is never there as a whole: a panel's rows lie in memory of the function's
own, where they are still in the cache when they are read. Panels need nothing of each other, so
they may be computed in any order. What is added up over all rows is added up for each panel, and
then over the panels, one after the other: the result depends on sizes alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard

from ..ir import CONST, Node, make
from ..types import BYTES, FLOATS, Dim, Shape, divide, product
from .flatten import flatten
from .halves import HALVES
from .loops import Entry, Finish, Kernel, Loop, Panel, Start, Statement, statements
from .nests import changed, replaced, unforwarded, units
from .scalars import AXIS, PARTS, TURN, axis, given, in_place, load, positions
from .short_loops import with_fewer_loops
from .side_by_side import side_by_side
from .sizes import USUAL, usual
from .wholes import Core, Routine, Whole

# Bytes: half of a first-level cache, which holds what a kernel has for itself at once, and a part
# of the second level, which a panel may fill.
SMALL = 16 * 1024
LARGE = 128 * 1024
FAR = 1024 * 1024  # a matrix that the second-level cache does not hold
ROOM = 2 * 1024 * 1024  # a panel of a product with such a matrix: a thread's stack has 8 MB
SHORTEST = 256  # a row that is worth it without a product
LONG = 4096  # a row of a batch that is worth a kernel of its own
# Rows of a product: so many fill registers, and so many make good use of what is read for them.
TILE = 8
ROWS = 32
PARTED = ("sum", "prod", "max", "min", "any", "all")
NUMBERS = ("int32", "int64", *FLOATS)


def in_panels(kernels: Sequence[Kernel], outputs: Iterable[Node]) -> tuple[Kernel, ...]:
    """Kernels with panels where they have a product, and with what they keep to themselves.

    Args:
        kernels: in order.
        outputs: tensors that have to lie in memory.
    """
    kernels = [part for kernel in kernels for part in _parts(kernel)]
    used = Counter(x for kernel in kernels for x in {**kernel.reads(), **kernel.writes()})
    shared = {*outputs, *(x for x, times in used.items() if times > 1)}
    paneled = (with_fewer_loops(_flat(_paneled(kernel, shared))) for kernel in kernels)
    return tuple(side_by_side(kernel, shared) for kernel in paneled)


def _parts(kernel: Kernel) -> Iterator[Kernel]:
    """The kernel, and for each long loop behind its panels another one, with panels of its own."""
    if kernel.panel is not None:
        yield kernel
        return
    split = _split(kernel)
    core, body = kernel.core, list[Entry]()
    for unit in units(kernel.body):
        inside = split is not None and split.add(unit)
        least = SHORTEST if isinstance(core, Routine) and core.kind == HALVES else LONG
        if not inside and (body or core is not None) and not kernel.rows and _is_long(unit, least):
            yield Kernel(core, tuple(body))
            core, body = None, []
            split = _split(Kernel(None, tuple(unit)))
            assert split is not None
            split.add(unit)
        body.extend(unit)
    yield replace(kernel, core=core, body=tuple(body))


def _is_long(unit: Sequence[Entry], least: int) -> bool:
    """Whether a loop whose rows have so many bytes is worth a kernel with panels of its own."""
    split = _split(Kernel(None, tuple(unit)))
    if split is None or not split.add(unit) or split.panel(()) is None:
        return False
    return isinstance(split.dim, int) or split.size >= least


def _flat(kernel: Kernel) -> Kernel:
    """The kernel with short loops inside each other as long ones."""
    body = tuple(map(flatten, kernel.body))
    if kernel.panel is None or kernel.panel.batch:
        return replace(kernel, body=body)
    panel = replace(kernel.panel, body=changed(kernel.panel.body, flatten))
    return replace(kernel, body=body, panel=panel)


def _paneled(kernel: Kernel, shared: Container[Node]) -> Kernel:
    """The kernel in panels, if it can be, and what it keeps to itself."""
    if kernel.panel is not None or not _can_be_parted(kernel.core):
        return kernel
    split = _split(kernel)
    if split is not None:
        for unit in units(kernel.body):
            split.add(unit)
        panel = split.panel(shared)
        if panel is not None:
            kernel = replace(kernel, body=tuple(split.behind), panel=panel)
    return replace(kernel, local=tuple(_local(kernel, shared)))


def _local(kernel: Kernel, shared: Container[Node]) -> list[Node]:
    """Tensors that nobody else needs and that are small."""
    found, room = [], SMALL
    made = kernel.writes().keys() - {*kernel.own, *kernel.rows}
    for x in unforwarded(kernel):
        if x not in made or x in shared or not _can_be_local(x):
            continue
        size = x.type.size
        if isinstance(size, int) and 0 < size * BYTES[x.dtype] <= room:
            found.append(x)
            room -= size * BYTES[x.dtype]
    return found


def _split(kernel: Kernel) -> Split | None:
    """A kernel with nothing in panels so far; None if it has no rows.

    They are the first axis of its product, or else of its first loop, or of a table whose panels it
    is about.
    """
    core = kernel.core
    if core is None:
        tables = (entry.statement for entry in kernel.body[:1] if isinstance(entry, Start))
        table = next((x.target.shape[0] for x in tables if x.panel), None)
        if table is not None:
            return Split(None, table)
        loops = (entry for entry in kernel.body if isinstance(entry, Loop))
        dims = [x.axis.attr("dim") for x in loops if not x.axis.operands]
    else:
        dims = [dim for dim in core.node.shape if dim != 1]
    return Split(core, dims[0]) if dims and _can_be_parted(core) else None


def _can_be_parted(core: Whole | None) -> TypeGuard[Core | Routine | None]:
    """Whether some rows can be computed without the others."""
    return core is None or isinstance(core, Core) or (isinstance(core, Routine) and bool(core.rows))


@dataclass(slots=True)
class Split:
    """The loops of a kernel that can be in panels, and the others.

    Attributes:
        core: the product, if there is one.
        dim: how many rows there are.
        inside: what is in panels.
        behind: what comes behind them.
    """

    core: Core | Routine | None
    dim: Dim
    inside: list[Entry | Core] = field(default_factory=list)
    behind: list[Entry] = field(default_factory=list)
    _rows: set[Node] = field(init=False)  # written in panels, in the loop's own row
    _across: set[Node] = field(init=False)  # read in panels, in other rows too
    _read_rows: set[Node] = field(default_factory=set)  # read in panels, in that row alone
    _written: set[Node] = field(default_factory=set)  # behind them
    _read: set[Node] = field(default_factory=set)  # behind them

    def __post_init__(self) -> None:
        """Nothing is there but the product."""
        core = self.core
        self._rows = set() if core is None else {core.node}
        self._across = set() if core is None else set(core.operands)

    def _own(self, index: Sequence[Node], dims: Shape) -> bool:
        """Whether an element is in the row that the loop is at."""
        first = next((i for i, dim in enumerate(dims) if dim != 1), None)
        return first is not None and dims[first] == self.dim and index[first] is axis(0, self.dim)

    def add(self, unit: Sequence[Entry]) -> bool:
        """A loop with the starts and ends of its reductions, or something else; is it in panels?"""
        if self.goes_inside(unit):
            return True
        members = list(statements(unit))
        self._written |= {member.target for member in members}
        self._read |= {found.operands[0] for member in members for found in member.loads}
        self.behind.extend(unit)
        return False

    def goes_inside(self, unit: Sequence[Entry]) -> bool:
        """Whether a loop can be in panels; it then is."""
        members = list(statements(unit))
        written = {member.target for member in members}
        totals = {member.target for member in members if _total(member)}
        loads = [found for member in members for found in member.loads]
        read = {found.operands[0] for found in loads}
        across = {x.operands[0] for x in loads if not self._own(positions(x), x.attr("shape"))}
        if not (
            any(self._goes_along(entry) for entry in unit)
            and all(map(self._divides, members))
            and not across & (self._rows | written)
            and not written & (self._across | across | self._read | self._written)
            and not read & (self._written | totals)
        ):
            return False
        self._rows |= written - totals
        self._across |= across
        self._read_rows |= read - across
        self._written |= totals
        self.inside.extend(unit)
        return True

    def _goes_along(self, entry: Entry) -> bool:
        """Whether a loop goes over the rows, or over what belongs to those of a panel."""
        if not isinstance(entry, Loop):
            return False
        return entry.axis is axis(0, self.dim) or any(s.panel for s in statements([entry]))

    def _divides(self, member: Statement) -> bool:
        """Whether a statement can be done row by row, or added up in parts."""
        if member.panel:
            return True
        if not _total(member):
            return self._own(member.index, member.target.shape)
        if member.combine not in PARTED or in_place(member.target):
            return False
        known = all(
            x.op is CONST or (x.op is AXIS and x.attr("depth") and not x.operands)
            for x in member.index
        )
        size = member.target.type.size
        return known and isinstance(size, int) and size * BYTES[member.target.dtype] <= SMALL

    def panel(self, shared: Container[Node]) -> Panel | None:
        """The panel, if it is of any use; what is added up in it is then added up behind it."""
        local = self._local(shared)
        size = max(sum(map(self._bytes, local)), *map(self._bytes, self._rows), 0)
        if self.core is None:
            table = max((x.panel for x in statements(self.inside)), default=0)
            count = table or _count_of_loops(self.dim, max(size, self.size))
        elif self._has_core:
            count = _count(self.core, self.dim, size)
        else:
            count = None if isinstance(self.dim, int) and self.dim <= ROWS else ROWS
        if not self.inside or count is None:
            return None
        panel = Panel(self.dim, count, (), tuple(local), has_core=self._has_core)
        parts = {m: in_parts(m, panel.count) for m in statements(self.inside) if _total(m)}
        self.behind[:0] = [entry for pair in parts.items() for entry in parts_added(*pair)]
        return replace(panel, body=changed(self.inside, lambda x: replaced(x, parts)))

    @property
    def size(self) -> int:
        """The bytes of the longest row that is written or read, in a usual call."""
        rows = (*self._rows, *self._read_rows)
        if isinstance(self.dim, int) and self.dim:
            each = (usual(x.type.size) // self.dim * BYTES[x.dtype] for x in rows)
            return max(each, default=0)
        return max(map(self._bytes, rows), default=0)

    @property
    def _has_core(self) -> bool:
        """Whether the product is computed for each panel; else it is before, as a whole.

        That is better where the other matrix, which would come from far away for each panel, is
        larger than the result.
        """
        core = self.core
        if not isinstance(core, Core) or core.batch or not isinstance(core.k, int):
            return True
        other = core.k * core.n if isinstance(core.n, int) else 0
        rows = core.m if isinstance(core.m, int) else USUAL
        return other * BYTES[core.node.dtype] < FAR or rows >= core.k

    def _local(self, shared: Container[Node]) -> list[Node]:
        """Those of which a row is known and has room in a panel, beside the rows of the others."""
        found, room = [], LARGE
        for x in self._alone(shared):
            if isinstance(_row(x, self.dim), int) and self._bytes(x) <= room:
                found.append(x)
                room -= self._bytes(x)
        return found

    def _bytes(self, x: Node) -> int:
        """The size of a tensor's row, 0 where it is not known."""
        size = _row(x, self.dim)
        return size * BYTES[x.dtype] if isinstance(size, int) else 0

    def _alone(self, shared: Container[Node]) -> list[Node]:
        """Tensors that only the panel needs, of which it has its own rows."""
        needed = unforwarded(Kernel(self.core, (), Panel(self.dim, 1, tuple(self.inside))))
        rows = self._rows - self._read - self._written
        if self.core is not None and not self._has_core:
            rows.discard(self.core.node)
        return [x for x in needed if x in rows and x not in shared and _can_be_local(x)]


def _can_be_local(x: Node) -> bool:
    return x.dtype in NUMBERS and not given(x)


def _row(x: Node, dim: Dim) -> Dim | None:
    """The number of elements of each of so many rows."""
    return divide(x.type.size, dim)


def _count(core: Core | Routine, dim: Dim, size: int) -> int | None:
    """How many rows a panel has, each of so many bytes; None where panels are of no use.

    So many that they make whole tiles of the product's own rows, and that they fit in the cache;
    a contraction of windows has its tiles inside of a row, and few rows are enough.
    """
    if isinstance(core, Routine):
        count = max(1, min(TILE, LARGE // size)) if size else 0
        return count if count and (not isinstance(dim, int) or dim > count) else None
    height = divide(product((*core.batch, core.m)), dim)
    if not isinstance(height, int) or not height or not size:
        return None
    if isinstance(dim, int) and dim * size <= SMALL:
        return None
    tile = 1 if core.batch else TILE // math.gcd(TILE, height)
    most, room = ROWS if not isinstance(dim, int) else 2 * ROWS, LARGE
    other = product((core.k if isinstance(core.k, int) else USUAL, core.n))
    if isinstance(other, int) and other * BYTES[core.node.dtype] >= FAR:
        # The other matrix comes from far away for each panel.
        most = min(4 * ROWS, max(ROWS, dim // 4)) if isinstance(dim, int) else 4 * ROWS
        room = ROOM
    count = min(max(most // height, tile), room // size) // tile * tile
    if not count or (isinstance(dim, int) and dim <= count):
        return None
    if isinstance(dim, int):
        # Panels that are all alike are compiled for their size.
        alike = (n for n in range(count, count // 2, -tile) if dim % n == 0)
        return next(alike, count)
    return count


def _count_of_loops(dim: Dim, size: int) -> int | None:
    """The same without a product: rows that are worth another thread's while.

    Of short rows there are seldom so many.
    """
    if dim * size <= 2 * LARGE if isinstance(dim, int) else size < SHORTEST:
        return None
    count = max(LARGE // 4 // size, 1)
    return count // TILE * TILE or count


def _total(member: Statement) -> bool:
    """Whether a statement combines the values of all rows."""
    return bool(member.combine) and member.ready == 0 and not member.panel


def in_parts(member: Statement, count: Dim) -> Statement:
    """What is combined over all rows, combined for each panel."""
    dtype = member.value.dtype if member.local else member.target.dtype
    if member.local and member.combine == "sum" and dtype in FLOATS:
        dtype = "float64"  # as sums are taken
    parts = make(PARTS, (member.target,), count=count, dtype=dtype)
    return replace(member, target=parts, index=(make(TURN, ()), *member.index))


def parts_added(member: Statement, part: Statement) -> Iterator[Entry]:
    """What was combined for each panel, combined for all of them, one after the other."""
    count = part.target.shape[0]
    axes = sorted({x for x in member.index if x.op is AXIS}, key=lambda x: x.attr("depth"))
    moved = {x: axis(1 + i, x.attr("dim")) for i, x in enumerate(axes)}
    index = tuple(moved.get(x, x) for x in member.index)
    value = load(part.target, (axis(0, count), *index), part.target.shape)
    domain = (count, *(x.attr("dim") for x in axes))
    whole = replace(member, domain=domain, index=index, value=value)
    entry: Entry = whole
    for x in reversed((axis(0, count), *moved.values())):
        entry = Loop(x, (entry,))
    yield Start(whole)
    yield entry
    if whole.local:
        yield Finish(whole)
