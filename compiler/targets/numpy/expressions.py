"""One node as one NumPy expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...ir import CONST, Node
from ...ops import (
    algebra,
    convert,
    index,
    linear,
    order,
    random,
    reduce,
    rows,
    running,
    shape,
)
from ...ops.arithmetic import pow, square
from ...ops.base import Scalar
from ...ops.special import softplus
from ...types import Dim, Shape
from ..spelling import matrix_product
from .code import (
    ATOM,
    COMPARE,
    MATRIX,
    MINUS,
    POWER,
    PRODUCT,
    SUM,
    Code,
    Scope,
    call,
    number,
    numpy_dtype,
    operand,
    tuple_of,
    typed,
)
from .space import SPACE

INFIX: dict[str, tuple[str, int]] = {
    "add": (" + ", SUM),
    "subtract": (" - ", SUM),
    "multiply": (" * ", PRODUCT),
    "divide": (" / ", PRODUCT),
    "equal": (" == ", COMPARE),
    "not_equal": (" != ", COMPARE),
    "less": (" < ", COMPARE),
    "less_equal": (" <= ", COMPARE),
    "greater": (" > ", COMPARE),
    "greater_equal": (" >= ", COMPARE),
}
# An array to one of these powers is computed without `pow`, which rounds differently.
SHORTCUTS = (-1, 0, 0.5, 1, 2)


def expression(scope: Scope, node: Node) -> Code:
    """The node's operation on its operands."""
    if node.op is CONST:
        return number(node.attr("value"), node.dtype)
    if isinstance(node.op, Scalar):
        return _scalar(scope, node, node.op)
    return SPELLED[node.op](scope, node)


def _scalar(scope: Scope, node: Node, row: Scalar) -> Code:
    codes = [scope.code(x) for x in node.operands]
    first = 1 if row.kind == "select" else 0
    if all(code.weak for code in codes[first:]):
        # NumPy would compute with float64: one operand has to say the dtype.
        codes[first] = typed(codes[first], node.operands[first].dtype)
    if row.kind == "select" and codes[0].weak:
        codes[0] = typed(codes[0], "bool")
    if row.name in INFIX:
        mark, binds = INFIX[row.name]
        low = binds + 1 if binds == COMPARE else binds
        left = PRODUCT if binds == PRODUCT else low
        return Code(f"{codes[0].within(left)}{mark}{codes[1].within(binds + 1)}", binds)
    if row.name == "negative":
        return Code(f"-{codes[0].within(MINUS)}", MINUS)
    if row is square and node.type.ndim:
        return Code(f"{codes[0].within(ATOM)}**2", POWER)
    if row is pow and node.type.ndim and codes[1].weak and node.operands[1].op is CONST:
        if node.operands[1].attr("value") not in SHORTCUTS:
            return Code(f"{codes[0].within(ATOM)}**{codes[1].text}", POWER)
    if row is softplus:
        return call("np.logaddexp", codes[0], "0")
    if row.numpy.startswith("special."):
        codes = [
            Code(repr(float(x.attr("value")))) if code.weak and x.op is CONST else code
            for code, x in zip(codes, node.operands, strict=True)
        ]
    return call(row.numpy, *codes)


def _cast(scope: Scope, node: Node) -> Code:
    (x,) = node.operands
    code, dtype = operand(scope, x), numpy_dtype(node.dtype)
    if not node.type.ndim and node.type.is_float:
        return call(dtype, code)
    if not node.type.ndim:
        return Code(f"np.asarray({code.text}).astype({dtype})")
    return Code(f"{code.within(ATOM)}.astype({dtype})")


def _iota(scope: Scope, node: Node) -> Code:
    dtype = "" if node.dtype == "int64" else f", dtype={numpy_dtype(node.dtype)}"
    return Code(f"np.arange({scope.size(node.attr('dim')).text}{dtype})")


def _literal(scope: Scope, node: Node) -> Code:
    """The elements, in nested lists."""

    def listed(values: Any) -> str:
        if isinstance(values, list):
            return f"[{', '.join(map(listed, values))}]"
        return number(values, node.dtype).text

    array = node.attr("data").array()
    if not array.size:
        return call("np.empty", tuple_of(scope, node.shape), numpy_dtype(node.dtype))
    return call("np.array", listed(array.tolist()), numpy_dtype(node.dtype))


def _reshape(scope: Scope, node: Node) -> Code:
    (x,) = node.operands
    if x.op in REDUCTIONS and scope.inlined(x) and node.shape == _kept(x):
        return _reduction(scope, x, keepdims=True)
    code = operand(scope, x)
    index = inserted(x.shape, node.shape) if x.type.ndim else None
    if index is None:
        return call("np.reshape", code, tuple_of(scope, node.shape))
    return Code(f"{code.within(ATOM)}[{', '.join(index)}]")


def inserted(old: Shape, new: Shape) -> list[str] | None:
    """The subscripts that insert and drop axes of size 1, if that is all that a reshape does."""
    subscripts: list[str] = []
    i = 0
    for dim in new:
        while i < len(old) and old[i] == 1 != dim:
            subscripts.append("0")
            i += 1
        if i < len(old) and old[i] == dim:
            subscripts.append(":")
            i += 1
        elif dim == 1:
            subscripts.append("None")
        else:
            return None
    rest = old[i:]
    return subscripts + ["0"] * len(rest) if all(dim == 1 for dim in rest) else None


def _kept(reduced: Node) -> Shape:
    axes = reduced.attr("axes")
    return tuple(1 if i in axes else dim for i, dim in enumerate(reduced.operands[0].shape))


def _transpose(scope: Scope, node: Node) -> Code:
    axes = node.attr("axes")
    code = operand(scope, node.operands[0])
    if axes == (1, 0):
        return Code(f"{code.within(ATOM)}.T")
    return call("np.transpose", code, str(axes))


def _broadcast(scope: Scope, node: Node) -> Code:
    (x,) = node.operands
    shown = tuple_of(scope, node.shape)
    if x.op is CONST:
        dtype, value = numpy_dtype(node.dtype), number(x.attr("value"), node.dtype).text
        if value in ("0", "1"):
            return call("np.zeros" if value == "0" else "np.ones", shown, dtype)
        return call("np.full", shown, value, dtype)
    return call("np.broadcast_to", operand(scope, x), shown)


def _slice(scope: Scope, node: Node) -> Code:
    (x,) = node.operands
    parts = []
    for size, start, stop, step in zip(
        x.shape, node.attr("starts"), node.attr("stops"), node.attr("steps"), strict=True
    ):
        first = "" if start == 0 else scope.size(start).text
        last = "" if stop == size else scope.size(stop).text
        parts.append(f"{first}:{last}" + (f":{step}" if step != 1 else ""))
    while len(parts) > 1 and parts[-1] == ":":
        parts.pop()
    return Code(f"{operand(scope, x).within(ATOM)}[{', '.join(parts)}]")


def _pad(scope: Scope, node: Node) -> Code:
    code = operand(scope, node.operands[0])
    lows, highs, inner = (node.attr(name) for name in ("lows", "highs", "inner"))
    value = number(node.attr("value"), node.dtype).text
    if any(inner):
        places = tuple_of(scope, lows), str(inner), value
        return call(scope.use("spread"), code, tuple_of(scope, node.shape), *places)
    sides = ", ".join(
        f"({scope.size(low).text}, {scope.size(high).text})"
        for low, high in zip(lows, highs, strict=True)
    )
    ending = "," if len(lows) == 1 else ""
    more = "" if value == "0" else f", constant_values={value}"
    return Code(f"np.pad({code.text}, ({sides}{ending}){more})")


def _flip(scope: Scope, node: Node) -> Code:
    return call("np.flip", operand(scope, node.operands[0]), _axis(node.attr("axes")))


def _concat(scope: Scope, node: Node) -> Code:
    parts = ", ".join(operand(scope, x).text for x in node.operands)
    return call("np.concatenate", f"({parts})", f"axis={node.attr('axis')}")


def _axis(axes: Sequence[int]) -> str:
    return f"axis={axes[0] if len(axes) == 1 else tuple(axes)}"


def _reduction(scope: Scope, node: Node, keepdims: bool = False) -> Code:
    (x,) = node.operands
    axes, arguments = node.attr("axes"), [operand(scope, x).text]
    if len(axes) != x.type.ndim:
        arguments.append(_axis(axes))
    if node.dtype == "int32" and node.op in (reduce.SUM, reduce.PROD):
        arguments.append("dtype=np.int32")
    if keepdims:
        arguments.append("keepdims=True")
    return call(REDUCTIONS[node.op], *arguments)


def _along(scope: Scope, node: Node) -> Code:
    """A function along axes that keeps them."""
    axes = node.attr("axes")
    function = ALONG[node.op]
    name = function if "." in function else scope.use(function)
    return call(name, operand(scope, node.operands[0]), _axis(axes))


def _position(scope: Scope, node: Node) -> Code:
    (x,) = node.operands
    return call(f"np.{node.op.name}", operand(scope, x), f"axis={node.attr('axis')}")


def _running(scope: Scope, node: Node) -> Code:
    (x,) = node.operands
    dtype = ["dtype=np.int32"] if node.dtype == "int32" else []
    function = "np.cumsum" if node.op is reduce.CUMULATIVE_SUM else "np.cumprod"
    return call(function, operand(scope, x), f"axis={node.attr('axis')}", *dtype)


def _contract(scope: Scope, node: Node) -> Code:
    codes = [operand(scope, x) for x in node.operands]
    left, right, out = (node.attr(side) for side in ("left", "right", "out"))
    plan = matrix_product(node)
    if plan is not None:
        first, second = codes[plan.first], codes[plan.second]
        turn = [_turned(node.operands[i], i == plan.first, plan.transposed) for i in (0, 1)]
        a = f"{first.within(ATOM)}{turn[plan.first]}" if turn[plan.first] else first.within(MATRIX)
        b = f"{second.within(ATOM)}{turn[plan.second]}"
        if not turn[plan.second]:
            b = second.within(MINUS)
        product = Code(f"{a} @ {b}", MATRIX)
        if not plan.transposed[2]:
            return product
        return Code(f"({product.text}).{'T' if node.type.ndim == 2 else 'mT'}")
    if set(out) == set(left) | set(right) and out and len(set(out)) == len(out):
        sides = [
            _spread(code, letters, out) for code, letters in zip(codes, (left, right), strict=True)
        ]
        if None not in sides:
            return Code(" * ".join(str(side) for side in sides), PRODUCT)
    return call("np.einsum", f'"{left},{right}->{out}"', *codes)


def _turned(x: Node, first: bool, transposed: tuple[bool, bool, bool]) -> str:
    if not transposed[0 if first else 1]:
        return ""
    return ".T" if x.type.ndim == 2 else ".mT"


def _spread(code: Code, letters: str, out: str) -> str | None:
    """An operand of a product without sums, with axes inserted where the other has its own."""
    if letters != "".join(letter for letter in out if letter in letters):
        return None
    if out.endswith(letters):
        return code.within(MINUS)
    subscripts = ", ".join(":" if letter in letters else "None" for letter in out)
    return f"{code.within(ATOM)}[{subscripts}]"


def _checked(scope: Scope, positions: Node, dim: Dim) -> Code:
    """Positions that are known to be in range."""
    return call(scope.use("in_range"), operand(scope, positions), scope.size(dim))


def _take(scope: Scope, node: Node) -> Code:
    x, positions = node.operands
    axis = node.attr("axis")
    found = _checked(scope, positions, x.shape[axis])
    return call("np.take", operand(scope, x), found, f"axis={axis}")


def _take_along(scope: Scope, node: Node) -> Code:
    x, positions = node.operands
    axis = node.attr("axis")
    found = _checked(scope, positions, x.shape[axis])
    return call("np.take_along_axis", operand(scope, x), found, f"axis={axis}")


def _add_at(scope: Scope, node: Node) -> Code:
    grad, positions = node.operands
    axis = node.attr("axis")
    found = _checked(scope, positions, node.attr("dim"))
    helper = scope.use("add_at" if node.op is index.ADD_AT else "add_along")
    return call(helper, tuple_of(scope, node.shape), found, operand(scope, grad), str(axis))


def _gather(scope: Scope, node: Node) -> Code:
    x, *indices = node.operands
    places = (_checked(scope, i, n).text for i, n in zip(indices, x.shape, strict=False))
    return Code(f"{operand(scope, x).within(ATOM)}[{', '.join(places)}]")


def _scatter_add(scope: Scope, node: Node) -> Code:
    grad, *indices = node.operands
    dims = node.attr("dims")
    places = [_checked(scope, i, n).text for i, n in zip(indices, dims, strict=True)]
    shown = f"({', '.join(places)}{',' if len(places) == 1 else ''})"
    helper = scope.use("scatter_add")
    return call(helper, tuple_of(scope, node.shape), shown, operand(scope, grad))


def _replace_rows(scope: Scope, node: Node) -> Code:
    old, new, *indices = node.operands
    places = [_checked(scope, i, node.shape[0]).text for i in indices]
    helper = scope.use("replace_rows")
    return call(helper, operand(scope, old), operand(scope, new), *places)


def _accumulated(scope: Scope, node: Node) -> Code:
    function = "np.logaddexp.accumulate"
    return call(function, operand(scope, node.operands[0]), f"axis={node.attr('axis')}")


def _recurrence(scope: Scope, node: Node) -> Code:
    a, b = (operand(scope, x) for x in node.operands)
    return call(scope.use("linear_recurrence"), a, b, f"axis={node.attr('axis')}")


def _argsort(scope: Scope, node: Node) -> Code:
    (x,) = node.operands
    return call("np.argsort", operand(scope, x), f"axis={node.attr('axis')}", 'kind="stable"')


def _searchsorted(scope: Scope, node: Node) -> Code:
    x, values = (operand(scope, y) for y in node.operands)
    return call("np.searchsorted", x, values, f'"{node.attr("side")}"')


def _matrices(scope: Scope, node: Node) -> Code:
    function = MATRICES[node.op]
    return call(function, *(operand(scope, x) for x in node.operands))


def _logabsdet(scope: Scope, node: Node) -> Code:
    return Code(f"np.linalg.slogdet({operand(scope, node.operands[0]).text})[1]")


def _signdet(scope: Scope, node: Node) -> Code:
    return call(scope.use("signdet"), operand(scope, node.operands[0]))


def _triangular(scope: Scope, node: Node) -> Code:
    a, b = (operand(scope, x) for x in node.operands)
    options = (f"{name}={node.attr(name)}" for name in ("lower", "transposed"))
    return call(scope.use("solve_triangular"), a, b, *options)


def _uniform(scope: Scope, node: Node) -> Code:
    seed, step, *first = (operand(scope, x) for x in node.operands)
    where = str(node.attr("stream")), tuple_of(scope, node.shape), numpy_dtype(node.dtype)
    return call(scope.use("uniform"), seed, step, *where, *first)


REDUCTIONS: dict[object, str] = {
    reduce.SUM: "np.sum",
    reduce.PROD: "np.prod",
    reduce.MAX: "np.max",
    reduce.MIN: "np.min",
    reduce.ANY: "np.any",
    reduce.ALL: "np.all",
    reduce.MEAN: "np.mean",
    reduce.LOGSUMEXP: "special.logsumexp",
}
# SciPy's log_softmax differs from ours at infinities: the module brings its own along.
ALONG: dict[object, str] = {
    reduce.SOFTMAX: "special.softmax",
    reduce.LOG_SOFTMAX: "log_softmax",
}
MATRICES: dict[object, str] = {
    algebra.SOLVE: "np.linalg.solve",
    algebra.CHOLESKY: "np.linalg.cholesky",
    algebra.INV: "np.linalg.inv",
    algebra.DET: "np.linalg.det",
}
SPELLED: dict[object, Callable[[Scope, Node], Code]] = {
    convert.CAST: _cast,
    convert.SIZE: lambda scope, node: scope.size(node.attr("dim"))._replace(weak=True),
    convert.IOTA: _iota,
    convert.LITERAL: _literal,
    shape.RESHAPE: _reshape,
    shape.TRANSPOSE: _transpose,
    shape.BROADCAST_TO: _broadcast,
    shape.SLICE: _slice,
    shape.PAD: _pad,
    shape.FLIP: _flip,
    shape.CONCAT: _concat,
    linear.CONTRACT: _contract,
    **SPACE,
    **dict.fromkeys(REDUCTIONS, _reduction),
    **dict.fromkeys(ALONG, _along),
    reduce.ARGMAX: _position,
    reduce.ARGMIN: _position,
    reduce.CUMULATIVE_SUM: _running,
    index.TAKE: _take,
    index.ADD_AT: _add_at,
    index.TAKE_ALONG: _take_along,
    index.ADD_ALONG: _add_at,
    index.GATHER: _gather,
    index.SCATTER_ADD: _scatter_add,
    rows.REPLACE_ROWS: _replace_rows,
    order.ARGSORT: _argsort,
    order.SEARCHSORTED: _searchsorted,
    running.CUMULATIVE_PROD: _running,
    running.CUMULATIVE_LOGSUMEXP: _accumulated,
    running.LINEAR_RECURRENCE: _recurrence,
    **dict.fromkeys(MATRICES, _matrices),
    algebra.LOGABSDET: _logabsdet,
    algebra.SIGNDET: _signdet,
    algebra.SOLVE_TRIANGULAR: _triangular,
    random.UNIFORM: _uniform,
}
