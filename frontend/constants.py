"""Values that are known when a formula is written, as nodes: numbers, sizes and small arrays."""

from __future__ import annotations

from typing import Any

from chainrule.compiler.errors import DTypeError, UsageError
from chainrule.compiler.ir import Node, const, is_const
from chainrule.compiler.ops.convert import SIZE, cast as convert, literal, size
from chainrule.compiler.types import DTYPES, Size

LITERAL_LIMIT = 4096  # elements: a program's text holds them


def dtype_name(dtype: Any) -> str:
    """The name of a dtype, given by name or as NumPy's.

    Raises:
        DTypeError: it is none of the five.
    """
    name = dtype if isinstance(dtype, str) else None
    if name is None:
        import numpy as np

        try:
            name = np.dtype(dtype).name
        except TypeError:
            name = repr(dtype)
    if name not in DTYPES:
        raise DTypeError(
            f"dtype {name}", f"expected {', '.join(DTYPES)}", "float32 is the default for numbers"
        )
    return name


def constant(value: Any) -> tuple[Node, bool]:
    """A number, a named size or an array as a node, and whether it is weak: of no dtype of its own.

    Raises:
        DTypeError: it is none of these, or of another dtype.
        UsageError: the array is too large to be a constant.
    """
    if isinstance(value, bool):
        return const(value, "bool"), True
    if isinstance(value, int):
        return const(_int64(value), "int64"), True
    if isinstance(value, float):  # NumPy's float64 scalars are floats
        return const(float(value), "float64"), True
    if isinstance(value, Size):
        return size(value, "int64"), True
    import numpy as np

    if isinstance(value, np.ndarray):
        return _literal(value), False
    if isinstance(value, np.generic):
        number = value.item()
        if not isinstance(number, np.generic):  # a long double stays one
            return constant(number)
    raise DTypeError(
        f"expected a tensor, came {type(value).__name__}",
        f"{value!r:.60}",
        "make one with cr.tensor, or an array with np.array",
    )


def weakly(node: Node, dtype: str) -> Node:
    """`node` as `dtype`; numbers that are known only when run are made in it at once."""
    if node.op is SIZE:
        return size(node.attr("dim"), dtype)
    if is_const(node) and dtype == "int32" and not -(2**31) <= node.attr("value") < 2**31:
        raise DTypeError(
            f"{node.attr('value')} does not fit into int32",
            "int32 goes from -2**31 to 2**31 - 1",
            'convert with x.astype("int64")',
        )
    return convert(node, dtype)


def _int64(value: int) -> int:
    if not -(2**63) <= value < 2**63:
        raise DTypeError(
            f"{value} does not fit into int64",
            "integers go from -2**63 to 2**63 - 1",
            "write it as a float",
        )
    return value


def _literal(array: Any) -> Node:
    dtype_name(array.dtype)
    if array.size > LITERAL_LIMIT:
        raise UsageError(
            f"an array of {array.size} elements in a formula",
            f"constants have at most {LITERAL_LIMIT}: they stand in the program's text",
            "make it an input with cr.tensor",
        )
    return literal(array)
