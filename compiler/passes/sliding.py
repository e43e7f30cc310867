"""Contractions that read windows of a tensor where it lies, and those whose windows are added up.

A convolution is a contraction of windows with a kernel. The windows need no memory of their own:
their element is an element of the tensor that they slide over, at a position that is a sum of
letters. So is that to which a convolution's transpose adds a product. The library's `contract` is
told so: `b x+u y+v c, u v c f -> b x y f`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

from ..ir import Node, rebuilt
from ..ops import linear, shape, windows
from ..types import FLOATS, Dim, Shape, add, mul, product
from .wholes import Routine

Position = Mapping[str, int]  # a sum of letters with factors
PLACES, INSIDE = "xyz", "uvw"
SHARED, OTHERS, GROUPS = "bcdeij", "fnmopq", "gh"
MANY = 16  # numbers of a long vector


@dataclass(frozen=True, slots=True)
class _Side:
    """A tensor of a contraction: the shape in which it is seen, and where along each axis.

    `pairs` are the letters of places and those inside windows that go together.
    """

    tensor: Node
    dims: Shape
    at: tuple[Position, ...]
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Form:
    """A contraction as the library has it, and the node of its own below, if there is one."""

    left: _Side
    right: _Side
    out: _Side
    product: Node
    sizes: Mapping[str, Dim]


def _plain(x: Node, letters: str) -> _Side:
    return _Side(x, x.shape, tuple({letter: 1} for letter in letters))


def slides(x: Node) -> bool:
    """Whether a tensor is windows, moved or seen in another shape or not."""
    while x.op in (shape.RESHAPE, shape.TRANSPOSE):
        (x,) = x.operands
    return x.op is windows.WINDOWS


def _read(x: Node, letters: str) -> _Side | None:
    """The tensor that windows slide over, and which element of it has these letters."""
    side = _plain(x, letters)
    while slides(side.tensor):
        below = _below(side)
        if below is None:
            return None
        side = below
    return _seen(side)


def _seen(side: _Side) -> _Side:
    """The same, of the tensor in memory: it may have another shape there."""
    while side.tensor.op is shape.RESHAPE:
        side = replace(side, tensor=side.tensor.operands[0])
    return side


def _below(side: _Side) -> _Side | None:
    """The same element as one of the operand."""
    node, (x,) = side.tensor, side.tensor.operands
    if node.op is shape.TRANSPOSE:
        axes = node.attr("axes")
        moved = tuple(side.at[axes.index(i)] for i in range(len(axes)))
        return _Side(x, x.shape, moved, side.pairs)
    if node.op is shape.RESHAPE:
        at = _split(side.at, node.shape, x.shape)
        return None if at is None else _Side(x, x.shape, at, side.pairs)
    return _placed(node, x, side.at)


def _placed(node: Node, x: Node, at: tuple[Position, ...]) -> _Side:
    """Windows o and places k in them as o * stride + k * dilation, of the tensor `x`."""
    first, (size, stride, dilation) = node.attr("axis"), windows.geometry(node)
    rank = len(size)
    moved = tuple(
        _sum((at[first + i], stride[i]), (at[first + rank + i], dilation[i])) for i in range(rank)
    )
    pairs = zip(at[first : first + rank], at[first + rank : first + 2 * rank], strict=True)
    alone = tuple((next(iter(o)), next(iter(k))) for o, k in pairs if len(o) == len(k) == 1)
    return _Side(x, x.shape, (*at[:first], *moved, *at[first + 2 * rank :]), alone)


def _sum(*terms: tuple[Position, int]) -> Position:
    found: dict[str, int] = {}
    for position, factor in terms:
        for letter, step in position.items():
            found[letter] = found.get(letter, 0) + step * factor
    return found


def _split(at: tuple[Position, ...], dims: Shape, onto: Shape) -> tuple[Position, ...] | None:
    """Positions of axes that were cut into several, from theirs."""
    found: list[Position] = []
    i = 0
    for dim in onto:
        position: Position = {}
        size: Dim = 1
        while size != dim and i < len(dims):
            if not isinstance(dims[i], int) and position:
                return None
            step = dims[i]
            position = _sum((position, step if isinstance(step, int) else 1), (at[i], 1))
            size = mul(size, step)
            i += 1
        if size != dim:
            return None
        found.append(position)
    return tuple(found) if all(dim == 1 for dim in dims[i:]) else None


def _form(node: Node) -> _Form | None:
    """What the library is told of a contraction with windows, or of one whose windows are added."""
    if node.dtype not in FLOATS:
        return None
    if node.op is windows.OVERLAP_ADD:
        return _added(node)
    if node.op is not linear.CONTRACT or not any(map(slides, node.operands)):
        return None
    (a, left), (b, right), out = _sides(node)
    sides = [_read(x, letters) for x, letters in ((a, left), (b, right))]
    if None in sides or not set(left) & set(right) - set(out):
        return None
    first, second = (side for side in sides if side is not None)
    return _Form(first, second, _plain(node, out), node, _sizes(node))


def _added(node: Node) -> _Form | None:
    """A product that is put together from windows."""
    (x,) = node.operands
    chain: list[Node] = []
    while x.op in (shape.RESHAPE, shape.TRANSPOSE):
        chain.append(x)
        (x,) = x.operands
    if x.op is not linear.CONTRACT or any(map(slides, x.operands)):
        return None
    (a, left), (b, right), out = _sides(x)
    at: tuple[Position, ...] | None = tuple({letter: 1} for letter in out)
    for above in reversed(chain):
        assert at is not None
        if above.op is shape.TRANSPOSE:
            at = tuple(at[i] for i in above.attr("axes"))
        else:
            at = _split(at, above.operands[0].shape, above.shape)
        if at is None:
            return None
    assert at is not None
    if not set(left) & set(right) - set(out):
        return None
    out_side = _placed(node, node, at)
    return _Form(_seen(_plain(a, left)), _seen(_plain(b, right)), out_side, x, _sizes(x))


def _sides(node: Node) -> tuple[tuple[Node, str], tuple[Node, str], str]:
    a, b = node.operands
    return (a, node.attr("left")), (b, node.attr("right")), node.attr("out")


def _sizes(node: Node) -> dict[str, Dim]:
    letters = node.attr("left") + node.attr("right")
    return dict(zip(letters, node.operands[0].shape + node.operands[1].shape, strict=True))


def prepared(node: Node) -> Node | None:
    """A contraction with windows, its axes in an order that has vectors; None if there is none."""
    form = _form(node)
    if form is None:
        return None
    node = _untransposed(node, form.product)
    form = _form(node)
    assert form is not None
    candidates = [node]
    for i in (1, 0):
        if not slides(form.product.operands[i]):
            candidates.append(_summed_first(node, form, i))
            if node is form.product:
                candidates.append(_columns_last(node, i))
    best, most = None, 0
    for found in candidates:
        again = _form(found.operands[0] if found.op is shape.TRANSPOSE else found)
        lanes = 0 if again is None else _lanes(again)
        if lanes > most:
            best, most = found, lanes
    return best


def _summed_first(node: Node, form: _Form, i: int) -> Node:
    """One operand in an order that ends with axes of the result, as they follow each other there.

    It is a kernel, which is small.
    """
    product = form.product
    letters, out = product.attr(("left", "right")[i]), product.attr("out")
    order = [x for x in letters if x not in out] + [x for x in out if x in letters]
    moved = shape.transpose(product.operands[i], axes=tuple(map(letters.index, order)))
    operands, sides = list(product.operands), [product.attr("left"), product.attr("right")]
    operands[i], sides[i] = moved, "".join(order)
    return _put(node, product, _contracted(operands, sides, out))


def _untransposed(node: Node, product: Node) -> Node:
    """The same with operands of the product as they lie, where windows do not say how they do."""
    operands, sides = list(product.operands), [product.attr("left"), product.attr("right")]
    for i, x in enumerate(product.operands):
        while x.op is shape.TRANSPOSE and not slides(x):
            axes = x.attr("axes")
            sides[i] = "".join(sides[i][axes.index(k)] for k in range(len(axes)))
            (x,) = x.operands
        operands[i] = x
    if tuple(operands) == product.operands:
        return node
    return _put(node, product, _contracted(operands, sides, product.attr("out")))


def _contracted(operands: Sequence[Node], sides: Sequence[str], out: str) -> Node:
    (a, b), (left, right) = operands, sides
    return linear.contract(a, b, left, right, out)


def _put(node: Node, below: Node, new: Node) -> Node:
    """The node with another one in place of one below it."""
    chain: list[Node] = []
    while node is not below:
        chain.append(node)
        (node,) = node.operands
    for above in reversed(chain):
        new = rebuilt(above, (new,))
    return new


def _columns_last(node: Node, i: int) -> Node:
    """The result in an order that ends as one operand does, put back by a transpose."""
    letters, out = node.attr(("left", "right")[i]), node.attr("out")
    own = [x for x in letters if x in out]
    order = "".join([x for x in out if x not in own[-1:]] + own[-1:])
    (a, left), (b, right), _ = _sides(node)
    found = linear.contract(a, b, left, right, order)
    return shape.transpose(found, axes=tuple(map(order.index, out)))


def _lanes(form: _Form) -> int:
    """How many elements lie side by side wherever their axis occurs, up to a vector's.

    Half as many count where they are summed over, and the vector has to be summed in the end.
    """
    sides, most = [_steps(side) for side in (form.left, form.right, form.out)], 0
    for letter, size in form.sizes.items():
        left, right, out = (steps.get(letter, 0) for steps in sides)
        if size == 1 or left not in (0, 1) or right not in (0, 1):
            continue
        many = 2 * MANY if not isinstance(size, int) else 2 * min(size, MANY)
        if out == 1 and 1 in (left, right):
            most = max(most, many)
        elif out == 0 and left == right == 1:
            most = max(most, many // 2)
    return most


def _steps(side: _Side) -> dict[str, Dim]:
    """How many elements further on the next position of each letter is."""
    found: dict[str, Dim] = {}
    step: Dim = 1
    for position, dim in reversed(list(zip(side.at, side.dims, strict=True))):
        for letter, factor in position.items():
            found[letter] = add(found.get(letter, 0), mul(step, factor))
        step = mul(step, dim)
    return found


def all_sliding(nodes: Sequence[Node], roots: Sequence[Node]) -> dict[Routine, Node]:
    """The contractions with windows; that of windows that are added up is nobody else's.

    Args:
        nodes: of a graph.
        roots: those that are wanted.
    """
    uses = Counter(x for node in nodes for x in node.operands)
    uses.update(roots)
    found: dict[Routine, Node] = {}
    for node in nodes:
        each = sliding(node)
        if each is not None and (each[1] is node or _alone(node, each[1], uses)):
            found[each[0]] = each[1]
    return found


def _alone(node: Node, below: Node, uses: Counter[Node]) -> bool:
    """Whether what lies between two nodes is used for the upper one alone."""
    while node is not below:
        (node,) = node.operands
        if uses[node] > 1:
            return False
    return True


def sliding(node: Node) -> tuple[Routine, Node] | None:
    """The call of the library's for a contraction with windows, and the contraction itself.

    That is another node where windows are added up, and is then no tensor of its own.
    """
    form = _form(node)
    if form is None or not _lanes(form) or len(form.sizes) > len(ascii_lowercase):
        return None
    sides = (form.left, form.right, form.out)
    names, told = _names(form), _told(form)

    def written(position: Position) -> str:
        terms = [
            f"{'' if factor == 1 else factor}{names[letter]}"
            for letter, factor in position.items()
            if letter in told
        ]
        return "+".join(terms) or "0"

    left, right, out = (" ".join(map(written, side.at)) for side in sides)
    routine = Routine(
        "contract",
        node,
        (form.left.tensor, form.right.tensor),
        tuple(side.dims for side in sides),
        text=f"{left}, {right} -> {out}",
        rows=_rows(form),
        terms=_terms(form.product),
    )
    return routine, form.product


def _terms(contraction: Node) -> Dim:
    """How many products of two numbers a contraction adds up."""
    letters = contraction.attr("left") + contraction.attr("right")
    dims = contraction.operands[0].shape + contraction.operands[1].shape
    return product(tuple(dict(zip(letters, dims, strict=True)).values()))


def _rows(form: _Form) -> tuple[bool, ...]:
    """Which sides go along with the first axis of the result; none if one does in another way."""
    letter = next(iter(form.out.at[0]), None) if form.out.at else None
    if letter is None or form.sizes[letter] == 1:
        return ()
    sides = (form.left, form.right, form.out)
    first = [bool(side.at) and side.at[0] == {letter: 1} for side in sides]
    others = [any(letter in position for position in side.at[1:]) for side in sides]
    apart = [not goes and letter in side.at[0] for goes, side in zip(first, sides, strict=True)]
    return tuple(first) if first[2] and not any(others) and not any(apart) else ()


def _told(form: _Form) -> set[str]:
    """The letters that are written: those of more than one position, as a rule.

    Where a letter stands alone it goes through the axis. One that does not has company.
    """
    told = {letter for letter, size in form.sizes.items() if size != 1}
    for side in (form.left, form.right, form.out):
        for position, dim in zip(side.at, side.dims, strict=True):
            known = [letter for letter in position if letter in told]
            if len(known) == 1 and position[known[0]] == 1 and form.sizes[known[0]] != dim:
                told.update(position)
    return told


def _names(form: _Form) -> dict[str, str]:
    """Letters that tell what an axis is.

    x y z are places of windows and u v w those inside, b and c what else windows have, the batch
    and channels, in groups g; f is what they have not, results.
    """
    moving = form.out if form.product is not form.out.tensor else form.left
    if moving is form.left and not form.left.pairs:
        moving = form.right
    names: dict[str, str] = {}

    def name(letter: str, wanted: str) -> None:
        taken = names.values()
        if letter not in names:
            names[letter] = next(x for x in wanted + ascii_lowercase if x not in taken)

    for (place, inside), *letters in zip(moving.pairs, PLACES, INSIDE, strict=False):
        name(place, letters[0])
        name(inside, letters[1])
    for position in moving.at:
        if len(position) > 1:
            name(next(iter(position)), GROUPS)
    for side in (moving, form.left, form.right, form.out):
        for letter in (letter for position in side.at for letter in position):
            name(letter, SHARED if side is moving else OTHERS)
    return names
