"""Tensors: handles on nodes of the graph, which compute nothing themselves.

Data types combine as the array API standard has it, which leaves some cases open; here

- a Python number, or a NumPy scalar, is *weak*: it takes the other operand's dtype;
- an integer tensor and a float, or the quotient of two integers, give `float32`;
- integers and floats give the float's dtype: `int64 + float32` is `float32`;
- `bool` combines with `bool` alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar, cast

from chainrule.compiler import ops as _ops
from chainrule.compiler.errors import DTypeError, ShapeError, UsageError, caller
from chainrule.compiler.ir import (
    OPS,
    Graph,
    Node,
    Op,
    evaluate,
    leaf,
    located,
    walk,
)
from chainrule.compiler.ops.convert import SIZE, cast as convert
from chainrule.compiler.types import FLOATS, INTS, Dim, Size, TensorType, symbol

from .constants import constant, dtype_name, weakly
from .integers import whole
from .names import identifier

if TYPE_CHECKING:
    import numpy as np

DEFAULT_FLOAT = "float32"

assert _ops  # importing it has filled the table of ops

P = ParamSpec("P")
R = TypeVar("R")


def public(function: Callable[P, R]) -> Callable[P, R]:
    """A function of the language: the nodes that it makes belong to the line that calls it."""

    @functools.wraps(function)
    def from_the_user(*args: P.args, **kwargs: P.kwargs) -> R:
        with located(caller()):
            return function(*args, **kwargs)

    return from_the_user


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tensor:
    """A value that a program will compute: a handle on a node of its graph.

    Tensors have the operators of arrays. Comparisons give tensors of dtype `bool`, so a tensor has
    no truth value and is no key of a dictionary.

    Attributes:
        node: the node.
        weak: whether it takes the dtype of what it is combined with, as Python numbers do.
    """

    node: Node
    weak: bool = False

    # NumPy's own operators leave `array + tensor` to the tensor.
    __array_ufunc__ = None
    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]

    @property
    def shape(self) -> tuple[Dim, ...]:
        """The sizes of the axes: integers and named sizes."""
        return self.node.shape

    @property
    def dtype(self) -> str:
        """The dtype's name."""
        return self.node.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.node.type.ndim

    @property
    def T(self) -> Tensor:
        """A matrix transposed."""
        if self.ndim != 2:
            raise ShapeError(
                f".T of {self.node.type}",
                f"expected 2 axes, it has {self.ndim}",
                ".mT swaps the last two, permute_dims any",
            )
        return self.mT

    @property
    def mT(self) -> Tensor:
        """The last two axes swapped."""
        from .functions.linear import matrix_transpose

        return matrix_transpose(self)

    def astype(self, dtype: Any) -> Tensor:
        """The elements in another dtype; floats lose their fraction, and 0 alone is false."""
        with located(caller()):
            return Tensor(convert(self.node, dtype_name(dtype)))

    def __repr__(self) -> str:
        name = self.node.attr("name") if self.node.op.name == "leaf" else self.node.op.name
        return f"<tensor {name}: {self.node.type}>"

    def __add__(self, other: Like) -> Tensor:
        return _operator("add", self, other)

    def __radd__(self, other: Like) -> Tensor:
        return _operator("add", other, self)

    def __sub__(self, other: Like) -> Tensor:
        return _operator("subtract", self, other)

    def __rsub__(self, other: Like) -> Tensor:
        return _operator("subtract", other, self)

    def __mul__(self, other: Like) -> Tensor:
        return _operator("multiply", self, other)

    def __rmul__(self, other: Like) -> Tensor:
        return _operator("multiply", other, self)

    def __truediv__(self, other: Like) -> Tensor:
        return _operator("divide", self, other)

    def __rtruediv__(self, other: Like) -> Tensor:
        return _operator("divide", other, self)

    def __floordiv__(self, other: Like) -> Tensor:
        return _operator("floor_divide", self, other)

    def __rfloordiv__(self, other: Like) -> Tensor:
        return _operator("floor_divide", other, self)

    def __mod__(self, other: Like) -> Tensor:
        return _operator("remainder", self, other)

    def __rmod__(self, other: Like) -> Tensor:
        return _operator("remainder", other, self)

    def __pow__(self, other: Like) -> Tensor:
        return _power(self, other)

    def __rpow__(self, other: Like) -> Tensor:
        return _power(other, self)

    def __matmul__(self, other: Like) -> Tensor:
        from .functions.linear import matmul

        return matmul(self, other)

    def __rmatmul__(self, other: Like) -> Tensor:
        from .functions.linear import matmul

        return matmul(other, self)

    def __neg__(self) -> Tensor:
        return _operator("negative", self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return _operator("abs", self)

    def __invert__(self) -> Tensor:
        return _operator("logical_not", self)

    def __and__(self, other: Like) -> Tensor:
        return _operator("logical_and", self, other)

    def __rand__(self, other: Like) -> Tensor:
        return _operator("logical_and", other, self)

    def __or__(self, other: Like) -> Tensor:
        return _operator("logical_or", self, other)

    def __ror__(self, other: Like) -> Tensor:
        return _operator("logical_or", other, self)

    def __xor__(self, other: Like) -> Tensor:
        return _operator("logical_xor", self, other)

    def __rxor__(self, other: Like) -> Tensor:
        return _operator("logical_xor", other, self)

    def __eq__(self, other: Like) -> Tensor:  # type: ignore[override]
        return _operator("equal", self, other)

    def __ne__(self, other: Like) -> Tensor:  # type: ignore[override]
        return _operator("not_equal", self, other)

    def __lt__(self, other: Like) -> Tensor:
        return _operator("less", self, other)

    def __le__(self, other: Like) -> Tensor:
        return _operator("less_equal", self, other)

    def __gt__(self, other: Like) -> Tensor:
        return _operator("greater", self, other)

    def __ge__(self, other: Like) -> Tensor:
        return _operator("greater_equal", self, other)

    def __getitem__(self, key: Any) -> Tensor:
        from .functions.indexing import getitem

        return getitem(self, key)

    def __bool__(self) -> bool:
        raise UsageError(
            "a tensor has no truth value while a formula is traced",
            f"this one is {self.node.type}, its elements are not known yet",
            "choose between values with cr.where, combine conditions with &, | and ~",
        )

    def __iter__(self) -> Any:
        raise UsageError(
            "a tensor is not iterated over while a formula is traced",
            f"this one is {self.node.type}",
            "functions take whole tensors; take parts with x[0], x[1:] or cr.take",
        )

    def __len__(self) -> int:
        if self.ndim and isinstance(self.shape[0], int):
            return self.shape[0]
        raise UsageError(
            f"the length of {self.node.type} is not known yet",
            "its first axis has no size before arrays come" if self.ndim else "it has no axes",
            "use .shape, or cr.mean for sums",
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """The value of a tensor that depends on no input."""
        import numpy as np

        from chainrule.compiler.passes.differentiate import Differentiate

        (node,) = Differentiate()(Graph("value", outputs=(("value", self.node),))).roots
        open_ = [x for x in walk([node]) if x.op.name == "leaf" or x.op is SIZE]
        if open_:
            names = ", ".join(
                sorted(str(x.attr("dim") if x.op is SIZE else x.attr("name")) for x in open_)
            )
            raise UsageError(
                "a tensor has no value while a formula is traced",
                f"{node.type} depends on {names}",
                "cr.function makes a callable on arrays of it",
            )
        return np.array(evaluate([node], {})[0], dtype)

    def __float__(self) -> float:
        return float(self.__array__())

    def __int__(self) -> int:
        return int(self.__array__())


Like: TypeAlias = "Tensor | np.ndarray[Any, Any] | np.generic | Size | bool | int | float"


def as_tensor(value: Like, like: Tensor | None = None) -> Tensor:
    """What a function is given as a tensor: a number is weak, an array becomes a constant.

    Args:
        value: a tensor, an array, a number, or a named size.
        like: takes its dtype where `value` is weak.

    Raises:
        DTypeError: it is none of these, or of another dtype.
        UsageError: the array is too large to be a constant.
    """
    tensor = value if isinstance(value, Tensor) else Tensor(*constant(value))
    if like is not None and tensor.weak:
        return Tensor(weakly(tensor.node, result_type(tensor, like)), like.weak)
    return tensor


def result_type(*tensors: Tensor) -> str:
    """The dtype that tensors have together."""
    dtypes = {t.dtype for t in tensors}
    if len(dtypes) == 1:
        return dtypes.pop()
    if "bool" in dtypes:
        shown = " and ".join(str(t.node.type) for t in tensors)
        raise DTypeError(
            "bool combines with bool alone",
            shown,
            'count with x.astype("float32"), or use cr.where',
        )
    strong = {t.dtype for t in tensors if not t.weak}
    kinds = FLOATS if dtypes & set(FLOATS) else INTS
    widest = [dtype for dtype in kinds if dtype in strong]
    if widest:
        return widest[-1]
    if strong:
        return DEFAULT_FLOAT  # integers, with a weak float
    return kinds[-1]


def promote(*values: Like) -> tuple[tuple[Node, ...], bool]:
    """The nodes of values, all of the dtype that they have together, and whether all are weak."""
    tensors = [as_tensor(value) for value in values]
    dtype = result_type(*tensors)
    return tuple(weakly(t.node, dtype) for t in tensors), all(t.weak for t in tensors)


def apply(op: Op | str, *values: Like) -> Tensor:
    """An elementwise op of tensors, in the dtype that they have together."""
    row = cast(Any, OPS[op] if isinstance(op, str) else op)
    kind = row.kind
    if kind == "select":
        nodes, weak = promote(*values[1:])
        condition = as_tensor(values[0])
        return Tensor(row(condition.node, *nodes), weak)
    nodes, weak = promote(*values)
    dtype = nodes[0].dtype
    if kind in ("float", "predicate") and dtype in INTS and (weak or row.name in INT_TO_FLOAT):
        nodes = tuple(weakly(x, "float64" if weak else DEFAULT_FLOAT) for x in nodes)
    return Tensor(row(*nodes), weak)


# Of the functions that give floats, those that take integers too.
INT_TO_FLOAT = frozenset({"divide", "isnan", "isinf", "isfinite"})


def _operator(name: str, *values: Like) -> Tensor:
    with located(caller()):
        return apply(name, *values)


def _power(x: Like, y: Like) -> Tensor:
    """`x ** y`, where simple powers get their simple names."""
    with located(caller()):
        if isinstance(y, int | float) and not isinstance(y, bool):
            base = as_tensor(x)
            if y == 2:
                return apply("square", base)
            if y == 1:
                return base
            if base.dtype in FLOATS:
                if y == 0.5:
                    return apply("sqrt", base)
                if y == -1:
                    return apply("divide", 1, base)
            elif y < 0 and isinstance(y, int) and base.dtype in INTS and not base.weak:
                raise DTypeError(
                    f"{base.node.type} to the power {y}",
                    "integers have no negative powers",
                    'convert with x.astype("float32")',
                )
        return apply("pow", x, y)


def tensor(
    name: str, shape: Sequence[int | str | Size | None] = (), dtype: Any = "float32"
) -> Tensor:
    """An input of a formula.

    Args:
        name: an identifier; formulas and code call it so.
        shape: a size for each axis. An integer is fixed; a name stands for any size, the same
            wherever it is used; `None` is the name `batch` on axis 0 and `<name>_<axis>` elsewhere.
        dtype: float32, float64, int32, int64 or bool.

    Returns:
        A tensor without a value.

    Raises:
        UnknownNameError: a name is not an identifier.
        ShapeError: a size is negative or not a size.

    Example:
        >>> import chainrule as cr
        >>> cr.tensor("x", (None, 3))
        <tensor x: f32[batch, 3]>
    """
    identifier(name, "a tensor's name")
    given = (shape,) if isinstance(shape, int | str | Size) else shape
    dims = tuple(_dim(name, axis, dim) for axis, dim in enumerate(given))
    return Tensor(leaf(name, TensorType(dtype_name(dtype), dims), "input", caller()))


def _dim(name: str, axis: int, dim: Any) -> Dim:
    if dim is None:
        return symbol("batch" if axis == 0 else f"{name}_{axis}")
    if isinstance(dim, str):
        return symbol(identifier(dim, "a size's name"))
    if isinstance(dim, Size):
        return dim
    number = whole(dim)
    if number is not None and number >= 0:
        return number
    raise ShapeError(
        f"{name}: axis {axis} has size {dim!r}",
        "expected an integer from 0, a name, or None",
        "None stands for any size",
    )


__all__ = ["Like", "Tensor", "apply", "as_tensor", "promote", "public", "result_type", "tensor"]
