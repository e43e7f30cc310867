"""What writes a tensor: its elements one by one, or as sums over loops, or at places."""

from __future__ import annotations

from ..ir import OPS, Node, const
from ..ops import convert, elementary, index, reduce, running, shape, windows
from ..types import Dim, Shape, Size
from .contractions import Kind
from .loops import Combine, Statement
from .pull import Index, Puller, aligned, factors, number, plus, positions_of, scaled
from .scalars import axis, load

COMBINE: dict[object, Combine] = {
    reduce.SUM: "sum",
    reduce.PROD: "prod",
    reduce.MAX: "max",
    reduce.MIN: "min",
    reduce.ANY: "any",
    reduce.ALL: "all",
    reduce.ARGMAX: "argmax",
    reduce.ARGMIN: "argmin",
}
SCATTERS = (index.ADD_AT, index.ADD_ALONG, index.SCATTER_ADD)
RUNNING = (
    reduce.CUMULATIVE_SUM,
    running.CUMULATIVE_LOGSUMEXP,
    running.LINEAR_RECURRENCE,
)


def written(node: Node, kind: Kind | None, pull: Puller) -> Statement | None:
    """What writes a tensor that is stored; nothing where it has no places to add anything at.

    Args:
        node: the tensor.
        kind: how it is made, of a contraction.
        pull: writes the elements that are read.
    """
    if node.op in COMBINE:
        return _reduction(node, pull)
    if node.op in SCATTERS:
        return _scatter(node, pull)
    if adds_up(node):
        return _overlap_add(node, pull)
    if node.op in RUNNING:
        return _running(node, pull)
    if node.op is shape.PAD and _unpadded(node):
        return _padded(node, pull)
    if kind == "loops":
        return _contraction(node, pull)
    return elements(node, pull)


def assigned(target: Node, node: Node, pull: Puller) -> Statement:
    """Each element of a tensor, put where another of its shape lies."""
    domain, at = positions_of(node.shape)
    return _map(target, node, domain, at, pull(node, at))


def elements(node: Node, pull: Puller) -> Statement:
    """Each element of a tensor from those of its operands."""
    domain, at = positions_of(node.shape)
    return _map(node, node, domain, at, pull.inside(node, at))


def _reduction(node: Node, pull: Puller) -> Statement:
    (x,) = node.operands
    combine = COMBINE[node.op]
    axes = node.attr("axes") if combine[:3] != "arg" else (node.attr("axis"),)
    over = [a for a in axes if x.shape[a] != 1]
    free = [a for a in range(x.type.ndim) if a not in axes and x.shape[a] != 1]
    order = sorted(over + free)
    trailing = all(a < b for a in free for b in over)
    if combine != "sum":
        order = free + over
    at: list[Node] = [number(0)] * x.type.ndim
    for depth, a in enumerate(order):
        at[a] = axis(depth, x.shape[a])
    target = tuple(at[a] for a in range(x.type.ndim) if a not in axes)
    value = pull(x, tuple(at))
    domain = tuple(x.shape[a] for a in order)
    if not over:
        value = convert.cast(number(0), "int64") if combine[:3] == "arg" else value
        return _map(node, node, domain, target, value)
    if combine[:3] == "arg" and x.dtype == "bool":
        value = convert.cast(value, "int64")
    local = trailing or combine != "sum"
    ready = len(free) if local else order.index(min(over))
    return Statement(node, node, domain, target, value, ready, combine, local)


def _contraction(node: Node, pull: Puller) -> Statement:
    """A sum of products in plain loops, in the order in which the larger operand lies."""
    sizes = linear_sizes(node)
    names = [letter for letter, size in sizes.items() if size != 1]
    out, left, right = node.attr("out"), node.attr("left"), node.attr("right")
    over = [letter for letter in names if letter not in out]
    larger = max((left, right), key=lambda letters: len(set(letters) & set(names)))
    order = [letter for letter in larger if letter in names]
    trailing = [letter for letter in order if letter not in over] + over
    if set(order) != set(names) or node.dtype not in ("float32", "float64"):
        order = [letter for letter in out if letter in names] + over
    local = order == trailing or order[len(order) - len(over) :] == over
    letters = {
        letter: axis(order.index(letter), size) if letter in order else number(0)
        for letter, size in sizes.items()
    }
    value = factors(pull, node, letters, None)
    ready = len(order) - len(over) if local else min(map(order.index, over))
    domain = tuple(sizes[letter] for letter in order)
    target = tuple(letters[letter] for letter in out)
    return Statement(node, node, domain, target, value, ready, "sum", local)


def _scatter(node: Node, pull: Puller) -> Statement | None:
    grad, *indices = node.operands
    domain, at = positions_of(grad.shape)
    if node.op is index.SCATTER_ADD:
        first, rank, own = 0, len(index.together(indices)), at
    else:
        first = node.attr("axis")
        rank = indices[0].type.ndim if node.op is index.ADD_AT else 1
        own = at[first:] if node.op is index.ADD_AT else at
    if node.op is not index.ADD_ALONG:
        own = own[:rank]
    dims = node.shape[first : first + len(indices)]
    if 0 in dims:
        return None
    found = tuple(
        pull.checked(node, pull(places, aligned(own, places.shape)), dim, None)
        for places, dim in zip(indices, dims, strict=True)
    )
    ready = len([dim for dim in grad.shape[:first] if dim != 1])
    target = (*at[:first], *found, *at[first + rank :])
    return Statement(node, node, domain, target, pull(grad, at), ready, "sum")


def _overlap_add(node: Node, pull: Puller) -> Statement:
    """Windows one after the other, each added to the places that it was taken from."""
    (grad,), first = node.operands, node.attr("axis")
    _, stride, dilation = windows.geometry(node)
    rank = len(stride)
    domain, at = positions_of(grad.shape)
    to = tuple(
        plus(scaled(at[first + i], stride[i]), scaled(at[first + rank + i], dilation[i]))
        for i in range(rank)
    )
    ready = len([dim for dim in grad.shape[:first] if dim != 1])
    target = (*at[:first], *to, *at[first + 2 * rank :])
    return Statement(node, node, domain, target, pull(grad, at), ready, "sum")


def _padded(node: Node, pull: Puller) -> Statement:
    """What is padded, put between what it is padded with."""
    (x,) = node.operands
    domain, at = positions_of(x.shape)
    sides = zip(at, node.attr("lows"), node.attr("inner"), strict=True)
    target = tuple(plus(scaled(i, inner + 1), number(low)) for i, low, inner in sides)
    ready = len([dim for dim in x.shape[: _unpadded(node)] if dim != 1])
    return Statement(node, node, domain, target, pull(x, at), ready, "put")


def _running(node: Node, pull: Puller) -> Statement:
    """Each element from the one before it."""
    domain, at = positions_of(node.shape)
    along = node.attr("axis")
    *factors, value = (pull(x, at) for x in node.operands)
    if node.shape[along] != 1:
        before = (*at[:along], OPS["subtract"](at[along], number(1)), *at[along + 1 :])
        later = OPS["greater"](at[along], number(0))
        last = load(node, before, node.shape, later)
        if node.op is running.CUMULATIVE_LOGSUMEXP:
            added = elementary.logaddexp(last, value)
            stable = elementary.logaddexp.expand(added)
            assert stable is not None
            value = OPS["where"](later, stable, value)
        else:
            for factor in factors:
                # The first factor plays no part, whatever it is.
                last = OPS["where"](later, factor * last, const(0, node.dtype))
            value = OPS["add"](last, value)
    return _map(node, node, domain, at, value)


def adds_up(node: Node) -> bool:
    """Whether windows are put back that overlap, so that elements are sums."""
    return node.op is windows.OVERLAP_ADD and windows.overlaps(node)


def _unpadded(node: Node) -> int:
    """How many axes there are before the first one that is padded; 0 where something is cut off."""
    sides = list(zip(node.attr("lows"), node.attr("highs"), node.attr("inner"), strict=True))
    if any(isinstance(side, Size) or side < 0 for low, high, _ in sides for side in (low, high)):
        return 0
    return next((i for i, side in enumerate(sides) if side != (0, 0, 0)), len(sides))


def linear_sizes(node: Node) -> dict[str, Dim]:
    """The size of every letter of a contraction."""
    letters = node.attr("left") + node.attr("right")
    return dict(zip(letters, node.operands[0].shape + node.operands[1].shape, strict=True))


def _map(target: Node, node: Node, domain: Shape, at: Index, value: Node) -> Statement:
    return Statement(target, node, domain, at, value, len(domain))
