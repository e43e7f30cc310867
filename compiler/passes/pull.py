"""The value of a tensor at one position, as a scalar expression of elements that lie in memory.

Ops that move elements become index arithmetic, elementwise ops their scalar rows; the recursion
ends at tensors that are stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..errors import Fault
from ..ir import CONST, OPS, Node, const, make
from ..ops import convert, index, linear, random, shape, windows
from ..ops.base import Scalar
from ..types import Dim, Shape, Size, add, mul, product, sub
from .again import AGAIN
from .scalars import CHECKED, DRAW, axis, load

Index = tuple[Node, ...]


def number(dim: Dim) -> Node:
    """A size as an integer."""
    return convert.size(dim, "int64")


def plus(a: Node, b: Node) -> Node:
    """a + b of positions."""
    x, y = _value(a), _value(b)
    if x is not None and y is not None:
        return number(add(x, y))
    if x == 0:
        return b
    if b.op is OPS["remainder"] and a is scaled(OPS["floor_divide"](*b.operands), _size(b)):
        return b.operands[0]  # (p // n) n + p % n = p
    return a if y == 0 else OPS["add"](a, b)


def _size(remainder: Node) -> Dim:
    found = _value(remainder.operands[1])
    assert found is not None
    return found


def scaled(a: Node, dim: Dim) -> Node:
    """a * dim of a position and a size."""
    x = _value(a)
    if x is not None:
        return number(mul(x, dim))
    return a if dim == 1 else OPS["multiply"](a, number(dim))


def _value(a: Node) -> Dim | None:
    if a.op is CONST:
        found: Dim = a.attr("value")
        return found
    if a.op is convert.SIZE:
        size: Dim = a.attr("dim")
        return size
    return None


def both(a: Node | None, b: Node | None) -> Node | None:
    """Both of two conditions, either of which may be none at all."""
    if a is None or a is b:
        return b
    return a if b is None else OPS["logical_and"](a, b)


def linear_position(at: Index, dims: Shape) -> Node:
    """The row-major position of an element."""
    found = number(0)
    for position, dim in zip(at, dims, strict=True):
        found = plus(scaled(found, dim), position)
    return found


def regrouped(at: Index, dims: Shape, onto: Shape) -> Index:
    """The element of `onto` at the same row-major position as element `at` of `dims`."""
    result: list[Node] = []
    i = j = 0
    while j < len(onto):
        if onto[j] == 1:
            result.append(number(0))
            j += 1
        elif i < len(dims) and dims[i] == 1:
            i += 1
        else:
            stop_i, stop_j = _group(dims, i, onto, j)
            if stop_i == i + 1 and stop_j == j + 1:
                result.append(at[i])
            else:
                flat = linear_position(at[i:stop_i], dims[i:stop_i])
                result.extend(_split(flat, onto[j:stop_j]))
            i, j = stop_i, stop_j
    return tuple(result)


def _group(dims: Shape, i: int, onto: Shape, j: int) -> tuple[int, int]:
    """The shortest runs of axes from `i` and `j` that have as many elements."""
    for stop_i in range(i + 1, len(dims) + 1):
        total = product(dims[i:stop_i])
        for stop_j in range(j + 1, len(onto) + 1):
            if product(onto[j:stop_j]) == total and total != 0:
                return stop_i, stop_j
    return len(dims), len(onto)


def _split(flat: Node, dims: Shape) -> list[Node]:
    """The positions along `dims` of a row-major position."""
    if product(dims) == 0:
        return [number(0)] * len(dims)
    result: list[Node] = []
    for k, dim in enumerate(dims):
        inner = product(dims[k + 1 :])
        if dim == 1:
            result.append(number(0))
            continue
        at = flat if inner == 1 else OPS["floor_divide"](flat, number(inner))
        result.append(at if k == 0 else OPS["remainder"](at, number(dim)))
    return result


@dataclass(slots=True)
class Puller:
    """Writes tensors' elements as scalar expressions.

    Attributes:
        stored: tensors that are read from memory.
        faults: what can go wrong, collected.
        origin: the tensor that a scalar expression is an element of.
        halves: of tensors that are the sum of two of their shape, the tensor of both.
    """

    stored: Callable[[Node], bool]
    faults: list[Fault] = field(default_factory=list)
    origin: dict[Node, Node] = field(default_factory=dict)
    halves: dict[Node, Node] = field(default_factory=dict)
    _known: dict[tuple[Node, Index, Node | None], Node] = field(default_factory=dict)
    _codes: dict[Fault, int] = field(default_factory=dict)

    def __call__(self, node: Node, at: Index, guard: Node | None = None) -> Node:
        """The element of `node` at a position; where the guard is false, nothing is read for it."""
        if self.stored(node):
            return load(node, at, node.shape, guard)
        return self.inside(node, at, guard)

    def know(self, node: Node, at: Index, value: Node) -> None:
        """Say what the element of `node` at a position is."""
        self._known[node, at, None] = value

    def inside(self, node: Node, at: Index, guard: Node | None = None) -> Node:
        """The same, not from memory even if the tensor is stored."""
        key = (node, at, guard)
        if key not in self._known:
            self._known[key] = self._pulled(node, at, guard)
            self.origin.setdefault(self._known[key], node)
        return self._known[key]

    def _pulled(self, node: Node, at: Index, guard: Node | None) -> Node:
        op = node.op
        if op in (CONST, convert.SIZE):
            return node
        if node in self.halves:
            parts = self.halves[node]
            return OPS["add"](*(load(parts, (number(i), *at), parts.shape, guard) for i in (0, 1)))
        if isinstance(op, Scalar) or op in (convert.CAST, shape.BROADCAST_TO):
            values = tuple(self(x, aligned(at, x.shape), guard) for x in node.operands)
            if op is shape.BROADCAST_TO:
                return values[0]
            return make(op, values, node.where, **dict(node.attrs))
        return RULES[op](self, node, at, guard)

    def checked(self, node: Node, position: Node, dim: Dim, guard: Node | None) -> Node:
        """A position, checked to be inside an axis of `node`."""
        operands = (convert.cast(position, "int64"),) + (() if guard is None else (guard,))
        fault = replace(index.OUTSIDE, where=node.where)
        return make(CHECKED, operands, dim=dim, code=self.fault(fault))

    def fault(self, fault: Fault) -> int:
        """The code by which a kernel reports a fault."""
        if fault not in self._codes:
            self.faults.append(fault)
            self._codes[fault] = len(self.faults)
        return self._codes[fault]


def aligned(at: Index, dims: Shape) -> Index:
    """The position in an operand that is broadcast: from the right, and 0 along axes of size 1."""
    own = at[len(at) - len(dims) :]
    return tuple(number(0) if dim == 1 else x for x, dim in zip(own, dims, strict=True))


def _reshape(pull: Puller, node: Node, at: Index, guard: Node | None) -> Node:
    (x,) = node.operands
    if pull.stored(x) and _moves(node.shape, x.shape):
        return load(x, at, node.shape, guard)
    return pull(x, regrouped(at, node.shape, x.shape), guard)


def _moves(dims: Shape, onto: Shape) -> bool:
    """Whether a reshape does more than insert and drop axes of size 1."""
    return [dim for dim in dims if dim != 1] != [dim for dim in onto if dim != 1]


def _transpose(pull: Puller, node: Node, at: Index, guard: Node | None) -> Node:
    order = node.attr("axes")
    return pull(node.operands[0], tuple(at[order.index(i)] for i in range(len(order))), guard)


def _slice(pull: Puller, node: Node, at: Index, guard: Node | None) -> Node:
    starts, steps = node.attr("starts"), node.attr("steps")
    moved = tuple(
        plus(scaled(x, step), number(start))
        for x, start, step in zip(at, starts, steps, strict=True)
    )
    return pull(node.operands[0], moved, guard)


def _flip(pull: Puller, node: Node, at: Index, guard: Node | None) -> Node:
    axes = node.attr("axes")
    flipped = tuple(
        OPS["subtract"](number(sub(dim, 1)), x) if i in axes and dim != 1 else x
        for i, (x, dim) in enumerate(zip(at, node.shape, strict=True))
    )
    return pull(node.operands[0], flipped, guard)


def _pad(pull: Puller, node: Node, at: Index, guard: Node | None) -> Node:
    (x,) = node.operands
    inside: Node | None = None
    moved: list[Node] = []
    for position, size, low, high, inner in zip(
        at, x.shape, node.attr("lows"), node.attr("highs"), node.attr("inner"), strict=True
    ):
        offset = plus(position, number(mul(low, -1)))
        if low != 0:
            inside = both(inside, OPS["greater_equal"](offset, number(0)))
        if inner:
            whole = OPS["equal"](OPS["remainder"](offset, number(inner + 1)), number(0))
            inside = both(inside, whole)
            offset = OPS["floor_divide"](offset, number(inner + 1))
        if high != 0 or inner:
            inside = both(inside, OPS["less"](offset, number(size)))
        moved.append(offset)
    outside = const(node.attr("value"), node.dtype)
    if inside is None:
        return pull(x, tuple(moved), guard)
    return make(OPS["where"], (inside, pull(x, tuple(moved), both(guard, inside)), outside))


def _concat(pull: Puller, node: Node, at: Index, guard: Node | None) -> Node:
    axis = node.attr("axis")
    parts: list[tuple[Node, Dim, Dim]] = []
    start: Dim = 0
    for x in node.operands:
        stop = add(start, x.shape[axis])
        if x.shape[axis] != 0:
            parts.append((x, start, stop))
        start = stop
    if not parts:
        return const(0, node.dtype)
    result: Node | None = None
    for x, start, stop in reversed(parts):
        offset = plus(at[axis], number(mul(start, -1)))
        inside: Node | None = None
        if x is not parts[-1][0] or stop != parts[-1][2]:
            inside = OPS["less"](at[axis], number(stop))
        own = inside
        if start != 0:
            own = both(own, OPS["greater_equal"](at[axis], number(start)))
        value = pull(x, (*at[:axis], offset, *at[axis + 1 :]), both(guard, own))
        if result is None:
            result = value
        else:
            assert inside is not None
            result = make(OPS["where"], (inside, value, result))
    assert result is not None
    return result


def _windows(pull: Puller, node: Node, at: Index, guard: Node | None) -> Node:
    """Window o, place k in it: the element at o * stride + k * dilation."""
    (x,), first = node.operands, node.attr("axis")
    size, stride, dilation = windows.geometry(node)
    rank = len(size)
    moved = tuple(
        plus(scaled(at[first + i], stride[i]), scaled(at[first + rank + i], dilation[i]))
        for i in range(rank)
    )
    return pull(x, (*at[:first], *moved, *at[first + 2 * rank :]), guard)


def _apart(pull: Puller, node: Node, at: Index, guard: Node | None) -> Node:
    """Windows put back side by side: the element of the one window that reaches here, or 0."""
    (x,), first = node.operands, node.attr("axis")
    size, stride, _ = windows.geometry(node)
    rank = len(size)
    inside: Node | None = None
    places: list[Node] = []
    within: list[Node] = []
    for i, position in enumerate(at[first : first + rank]):
        step, dim, out = number(stride[i]), node.shape[first + i], x.shape[first + i]
        whole = out == 1 and size[i] == dim
        places.append(
            number(0)
            if whole or position is number(0)
            else position
            if stride[i] == 1
            else OPS["floor_divide"](position, step)
        )
        if size[i] == 1:
            within.append(number(0))
        elif whole or position is number(0):
            within.append(position)
        else:
            within.append(OPS["remainder"](position, step))
        if size[i] < stride[i] and not whole:
            gap = position if position is number(0) else OPS["remainder"](position, step)
            inside = both(inside, OPS["less"](gap, number(size[i])))
        if mul(out, stride[i]) != dim and not whole:
            inside = both(inside, OPS["less"](places[-1], number(out)))
    place = (*at[:first], *places, *within, *at[first + rank :])
    if inside is None:
        return pull(x, place, guard)
    value = pull(x, place, both(guard, inside))
    return make(OPS["where"], (inside, value, const(0, node.dtype)))


def some(dim: Dim, guard: Node | None) -> Node | None:
    """The guard, and that the axis has any position at all."""
    if isinstance(dim, Size):
        return both(guard, OPS["greater"](number(dim), number(0)))
    return guard if dim > 0 else const(False, "bool")


def _take(pull: Puller, node: Node, at: Index, guard: Node | None) -> Node:
    x, places = node.operands
    axis, rank = node.attr("axis"), node.operands[1].type.ndim
    dim = x.shape[axis]
    place = pull.checked(node, pull(places, at[axis : axis + rank], guard), dim, guard)
    return pull(x, (*at[:axis], place, *at[axis + rank :]), some(dim, guard))


def _take_along(pull: Puller, node: Node, at: Index, guard: Node | None) -> Node:
    x, places = node.operands
    axis = node.attr("axis")
    dim = x.shape[axis]
    found = pull(places, aligned(at, places.shape), guard)
    place = pull.checked(node, found, dim, guard)
    own = tuple(
        place if i == axis else number(0) if size == 1 else position
        for i, (position, size) in enumerate(zip(at, x.shape, strict=True))
    )
    return pull(x, own, some(dim, guard))


def _gather(pull: Puller, node: Node, at: Index, guard: Node | None) -> Node:
    x, *indices = node.operands
    rank = node.type.ndim - x.type.ndim + len(indices)
    found, present = [], guard
    for places, dim in zip(indices, x.shape, strict=False):
        position = pull(places, aligned(at[:rank], places.shape), guard)
        found.append(pull.checked(node, position, dim, guard))
        present = some(dim, present)
    return pull(x, (*found, *at[rank:]), present)


def _uniform(pull: Puller, node: Node, at: Index, guard: Node | None) -> Node:
    seed, step, *first = (pull(x, (), None) for x in node.operands)
    position = linear_position(at, node.shape)
    if first:
        position = plus(first[0], position)
    return make(DRAW, (seed, step, position), stream=node.attr("stream"), dtype=node.dtype)


def _product(pull: Puller, node: Node, at: Index, guard: Node | None) -> Node:
    """A contraction that sums over nothing."""
    letters = dict.fromkeys(node.attr("left") + node.attr("right"), number(0))
    return factors(pull, node, letters | dict(zip(node.attr("out"), at, strict=True)), guard)


def factors(pull: Puller, node: Node, letters: dict[str, Node], guard: Node | None) -> Node:
    """The product of the two elements that a contraction multiplies where its letters are so."""
    a, b = (
        pull(x, tuple(letters[letter] for letter in names), guard)
        for x, names in zip(node.operands, (node.attr("left"), node.attr("right")), strict=True)
    )
    return OPS["multiply"](a, b)


Rule = Callable[[Puller, Node, Index, "Node | None"], Node]
RULES: dict[object, Rule] = {
    AGAIN: lambda pull, node, at, guard: pull(node.operands[0], at, guard),
    convert.IOTA: lambda pull, node, at, guard: convert.cast(at[0], node.dtype),
    shape.RESHAPE: _reshape,
    shape.TRANSPOSE: _transpose,
    shape.SLICE: _slice,
    shape.PAD: _pad,
    shape.FLIP: _flip,
    shape.CONCAT: _concat,
    index.TAKE: _take,
    index.TAKE_ALONG: _take_along,
    index.GATHER: _gather,
    random.UNIFORM: _uniform,
    linear.CONTRACT: _product,
    windows.WINDOWS: _windows,
    windows.OVERLAP_ADD: _apart,
}


def positions_of(dims: Shape) -> tuple[Shape, Index]:
    """A loop for each axis that is not of size 1, and the position that they are at."""
    at: list[Node] = []
    domain: list[Dim] = []
    for dim in dims:
        at.append(number(0) if dim == 1 else axis(len(domain), dim))
        if dim != 1:
            domain.append(dim)
    return tuple(domain), tuple(at)
