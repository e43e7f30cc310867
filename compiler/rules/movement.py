"""Rules about where elements stand: shapes, axes, broadcasts, casts.

Constructors simplify what is written down; these simplify what arises when operands are rewritten.
"""

from __future__ import annotations

from ..ir import Node, const, is_const, leaf, make
from ..ops.arithmetic import divide, multiply, negative, where
from ..ops.convert import CAST, cast, size
from ..ops.elementary import exp
from ..ops.index import ADD_ALONG, hot
from ..ops.reduce import MAX, MEAN, MIN, PROD, SUM, without
from ..ops.shape import BROADCAST_TO, RESHAPE, TRANSPOSE, broadcast_to, reshape, transpose
from ..types import FLOATS, Dim, Shape, TensorType, product, symbol
from .numbers import folded
from .rule import ELEMENTWISE, Movement, plain

LESS = "elements move once, or not at all"


def _sample(*shape: Dim, dtype: str = "float64") -> Node:
    return leaf("x", TensorType(dtype, shape), "placeholder")


BATCH = symbol("batch")


def reshaped(node: Node) -> Node:
    """reshape(reshape(x)) = reshape(x), and x where the shape is its own."""
    (x,) = node.operands
    while x.op is RESHAPE:
        (x,) = x.operands
    if x.op is BROADCAST_TO and x.operands[0].type.size == 1:
        return broadcast_to(reshape(x.operands[0], shape=()), shape=node.shape)
    return reshape(x, shape=node.shape)


def transposed(node: Node) -> Node:
    """transpose(transpose(x)) = transpose(x), and x where no axis moves."""
    (x,), axes = node.operands, node.attr("axes")
    while x.op is TRANSPOSE:
        axes = tuple(x.attr("axes")[axis] for axis in axes)
        (x,) = x.operands
    return transpose(x, axes=axes)


def repeated(node: Node) -> Node:
    """broadcast_to(broadcast_to(x)) = broadcast_to(x); axes of 1 need not be put in front."""
    (x,) = node.operands
    while x.op is BROADCAST_TO or leads_with_ones(x):
        (x,) = x.operands
    return broadcast_to(x, shape=node.shape)


def scaled(node: Node) -> Node | None:
    """move(x / r) = move(x) / r for a number r of no axes; so for products and minus."""
    (x,) = node.operands
    if x.op not in (negative, multiply, divide):
        return None
    numbers = [y for y in x.operands if not y.shape]
    if len(numbers) != len(x.operands) - 1 or (x.operands[0] in numbers and x.op is divide):
        return None
    moved = (y if not y.shape else make(node.op, (y,), **dict(node.attrs)) for y in x.operands)
    return make(x.op, tuple(moved))


def leads_with_ones(x: Node) -> bool:
    """Whether a node only puts axes of size 1 before those that were there."""
    if x.op is not RESHAPE:
        return False
    inner = x.operands[0].shape
    ones = len(x.shape) - len(inner)
    return ones > 0 and x.shape == (1,) * ones + inner


def converted(node: Node) -> Node | None:
    """cast(cast(x)) = cast(x) where the dtype between holds every value of x."""
    (x,), dtype = node.operands, node.dtype
    if x.op is BROADCAST_TO:
        return broadcast_to(cast(x.operands[0], dtype), shape=node.shape)
    if is_const(x) and (x.dtype in FLOATS) == (dtype in FLOATS):
        return const(x.attr("value"), dtype)
    if x.op is CAST and dtype != "bool":
        (inner,) = x.operands
        if holds(x.dtype, inner.dtype):
            return cast(inner, dtype)
    return cast(x, dtype)


def holds(wide: str, narrow: str) -> bool:
    """Whether a dtype holds every value of another."""
    order = {"bool": (), "int32": ("bool",), "float32": ("bool",), "int64": ("bool", "int32")}
    return wide == narrow or narrow in order.get(wide, ("bool", "int32", "float32"))


def reduced(node: Node) -> Node | None:
    """A reduction of a reduction, of repeated elements, or over axes of size 1."""
    (x,), axes = node.operands, node.attr("axes")
    if not axes:
        return x
    if x.op is node.op:
        inner = x.attr("axes")
        (y,) = x.operands
        rest = [axis for axis in range(y.type.ndim) if axis not in inner]
        return make(node.op, (y,), axes=tuple(sorted(inner + tuple(rest[axis] for axis in axes))))
    ones = tuple(axis for axis in axes if x.shape[axis] == 1)
    if ones:
        thin = reshape(x, shape=without(x.shape, ones))
        left = [axis for axis in range(x.type.ndim) if axis not in ones]
        return make(node.op, (thin,), axes=tuple(left.index(a) for a in axes if a not in ones))
    if x.op is BROADCAST_TO:
        return _of_repeated(node, x.operands[0], x.shape)
    return None


def _of_repeated(node: Node, x: Node, shape: Shape) -> Node | None:
    """A reduction of `x` broadcast to `shape`: only the axes that `x` has are reduced."""
    axes, lead = node.attr("axes"), len(shape) - x.type.ndim
    repeats = tuple(a for a in axes if a < lead or x.shape[a - lead] == 1)
    if not repeats or node.op is PROD:
        return None
    own = tuple(a - lead for a in axes if a not in repeats)
    dropped = tuple(a - lead for a in repeats if a >= lead)
    thin = reshape(x, shape=without(x.shape, dropped))
    left = [axis for axis in range(x.type.ndim) if axis not in dropped]
    inner = tuple(left.index(axis) for axis in own)
    result = make(node.op, (thin,), axes=inner) if inner else thin
    if node.op is SUM:
        result = size(product(tuple(shape[axis] for axis in repeats)), x.dtype) * result
    return broadcast_to(result, shape=node.shape)


def narrowed(node: Node) -> Node | None:
    """f(broadcast_to(x), y) = broadcast_to(f(x, y)): operands broadcast by themselves."""
    operands = tuple(map(_narrow, node.operands))
    if operands == node.operands:
        return None
    return broadcast_to(make(node.op, operands), shape=node.shape)


def _narrow(x: Node) -> Node:
    number = plain(x)
    if number is not x:
        return number
    while x.op is BROADCAST_TO or leads_with_ones(x):
        (x,) = x.operands
    return x


def lone(node: Node) -> Node | None:
    """reshape(number) = number, broadcast: the other operands broadcast it."""
    number = plain(node)
    if number is node or (node.op is BROADCAST_TO and node.operands[0] is number):
        return None
    return broadcast_to(number, shape=node.shape)


def gathered(node: Node) -> Node | None:
    """The sum over an axis of what was added at places along it is the sum of what was added."""
    (x,), axes = node.operands, node.attr("axes")
    if x.op is not ADD_ALONG or x.attr("axis") not in axes:
        return None
    return make(node.op, (x.operands[0],), axes=axes)


def one_place(node: Node) -> Node | None:
    """Adding at a single place of each row is choosing it: where(one-hot, x, 0)."""
    x, index = node.operands
    axis, dim = node.attr("axis"), node.attr("dim")
    if index.shape[axis] != 1:
        return None
    if index.op is BROADCAST_TO and index.operands[0].type.ndim == index.type.ndim:
        (index,) = index.operands
    return where(hot(index, axis, dim), x, const(0, x.dtype))


def _added() -> Node:
    x, at = _sample(2, 1), leaf("i", TensorType("int64", (2, 1)), "placeholder")
    return make(ADD_ALONG, (x, at), axis=1, dim=3)


PLACES: tuple[Movement, ...] = (
    Movement(
        "one place a row",
        ("add_along_axis",),
        one_place,
        "a choice is elementwise and needs no second pass",
        lambda: (_added(),),
    ),
)
MOVEMENTS: tuple[Movement, ...] = (
    Movement(
        "number of numbers",
        (ELEMENTWISE, "cast"),
        folded,
        "computed once, here",
        lambda: (const(2.0, "float64") * const(3.0, "float64"),),
    ),
    Movement(
        "sum of what was added at places",
        ("sum",),
        gathered,
        "nothing is added that is summed again",
        lambda: (make(SUM, (_added(),), axes=(1,)),),
    ),
    Movement(
        "number of several axes",
        ("reshape", "broadcast_to", "transpose"),
        lone,
        LESS,
        lambda: (make(RESHAPE, (const(2.0, "float64"),), shape=(1, 1)),),
    ),
    Movement(
        "reshape of reshape",
        ("reshape",),
        reshaped,
        LESS,
        lambda: (
            make(RESHAPE, (make(RESHAPE, (_sample(2, 6),), shape=(3, 4)),), shape=(12,)),
            make(RESHAPE, (_sample(2, 6),), shape=(2, 6)),
            make(RESHAPE, (broadcast_to(_sample(1), (6,)),), shape=(2, 3)),
        ),
    ),
    Movement(
        "transpose of transpose",
        ("transpose",),
        transposed,
        LESS,
        lambda: (
            make(
                TRANSPOSE, (make(TRANSPOSE, (_sample(2, 3, 4),), axes=(1, 2, 0)),), axes=(0, 2, 1)
            ),
            make(TRANSPOSE, (_sample(2, 3),), axes=(0, 1)),
        ),
    ),
    Movement(
        "broadcast of broadcast",
        ("broadcast_to",),
        repeated,
        LESS,
        lambda: (
            make(BROADCAST_TO, (broadcast_to(_sample(3), (2, 3)),), shape=(BATCH, 2, 3)),
            make(BROADCAST_TO, (reshape(_sample(3), (1, 3)),), shape=(BATCH, 3)),
        ),
    ),
    Movement(
        "cast of cast",
        ("cast",),
        converted,
        LESS,
        lambda: (
            make(
                CAST,
                (make(CAST, (_sample(3, dtype="float32"),), dtype="float64"),),
                dtype="float32",
            ),
            make(CAST, (broadcast_to(_sample(3), (2, 3)),), dtype="float32"),
            make(CAST, (const(0.1, "float64"),), dtype="float32"),
        ),
    ),
    Movement(
        "reduction of reduction",
        ("sum", "mean", "max", "min", "prod"),
        reduced,
        "one pass over the elements",
        lambda: (
            make(SUM, (make(SUM, (_sample(2, 3, 4),), axes=(1,)),), axes=(1,)),
            make(MEAN, (make(MEAN, (_sample(2, 3, 4),), axes=(0,)),), axes=(0, 1)),
            make(MAX, (_sample(2, 1, 4),), axes=(1, 2)),
            make(SUM, (broadcast_to(_sample(3, 1), (BATCH, 3, 4)),), axes=(0, 1, 2)),
            make(MEAN, (broadcast_to(_sample(3, 1), (2, 3, 4)),), axes=(0, 2)),
            make(MIN, (broadcast_to(_sample(3, 1), (2, 3, 4)),), axes=(1, 2)),
        ),
    ),
    Movement(
        "move of scaled",
        ("reshape", "transpose"),
        scaled,
        "the scale then meets others",
        lambda: (
            reshape(_sample(2, 3) / _sample(), (3, 2)),
            transpose(-_sample(2, 3), (1, 0)),
            reshape(_sample() * _sample(2, 3), (6,)),
        ),
    ),
    Movement(
        "elementwise of broadcast",
        (ELEMENTWISE,),
        narrowed,
        "fewer elements are computed",
        lambda: (
            exp(broadcast_to(_sample(3), (2, 3))),
            broadcast_to(_sample(3), (2, 3)) * _sample(2, 1),
            reshape(_sample(3), (1, 3)) + _sample(BATCH, 3),
        ),
    ),
)
