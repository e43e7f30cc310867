"""Mistakes are told in three lines: the user's own line, what came, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import ChainruleError, DTypeError, ShapeError, UsageError

x = cr.tensor("x", (2, 3))
y = cr.tensor("y", (4, 3))
v = cr.tensor("v", (5,))
t = cr.tensor("t", (3, 3, 3))
n = cr.tensor("n", (), "int64")
batch = cr.tensor("rows", (None, 3))
other = cr.tensor("others", ("m", 3))

WRONG: list[tuple[str, Callable[[], Any], type[ChainruleError], str]] = [
    ("add", lambda: x + y, ShapeError, "add: shapes do not broadcast"),
    ("add_arrays", lambda: np.ones(2, np.float32) + x, ShapeError, "add: shapes do not broadcast"),
    ("add_symbols", lambda: batch + other, ShapeError, "two different symbolic sizes"),
    ("matmul", lambda: x @ y, ShapeError, "matmul: inner dimensions differ"),
    ("matmul_array", lambda: np.ones((2, 2), np.float32) @ y, ShapeError, "matmul: inner"),
    ("matmul_number", lambda: x @ n.astype("float32"), ShapeError, "an operand has no axes"),
    ("matmul_bool", lambda: (x > 0) @ (x > 0).T, DTypeError, "matmul: operands of dtype bool"),
    ("transpose", lambda: v.T, ShapeError, r"\.T of f32\[5\]"),
    ("mT", lambda: v.mT, ShapeError, "expected at least 2 axes"),
    ("vecdot", lambda: cr.vecdot(x, v), ShapeError, "vecdot: sizes differ"),
    ("vecdot_axis", lambda: cr.vecdot(x, x, axis=0), ShapeError, "expected a negative number"),
    ("tensordot", lambda: cr.tensordot(x, y, axes=1), ShapeError, "tensordot: sizes differ"),
    ("tensordot_axes", lambda: cr.tensordot(x, y, axes=3), ShapeError, "tensordot over 3 axes"),
    (
        "tensordot_pairs",
        lambda: cr.tensordot(x, y, axes=((0, 1), (1,))),
        ShapeError,
        "do not pair up",
    ),
    ("einsum_letters", lambda: cr.einsum("ijk->i", x), ShapeError, "expected a letter for each"),
    ("einsum_sizes", lambda: cr.einsum("ij,ij->", x, y), ShapeError, "two sizes for 'i'"),
    ("einsum_count", lambda: cr.einsum("ij,jk", x), UsageError, "2 operands in 'ij,jk', 1 given"),
    ("einsum_none", lambda: cr.einsum("ij"), UsageError, "1 operands in 'ij', 0 given"),
    ("einsum_result", lambda: cr.einsum("ij->k", x), UsageError, "the result 'k'"),
    ("einsum_repeat", lambda: cr.einsum("ij->ii", x), UsageError, "the result 'ii'"),
    ("einsum_sign", lambda: cr.einsum("i_->i", x), UsageError, "expected letters a to z"),
    ("einsum_first", lambda: cr.einsum(x, "ij"), UsageError, "the subscripts come first"),  # type: ignore[arg-type]
    ("sum_axis", lambda: cr.sum(x, axis=2), ShapeError, "sum: no axis 2"),
    ("sum_twice", lambda: cr.sum(x, axis=(0, -2)), ShapeError, "an axis is given twice"),
    ("sum_float", lambda: cr.sum(x, axis=0.5), ShapeError, r"sum: no axis 0\.5"),  # type: ignore[arg-type]
    ("mean_int", lambda: cr.mean(cr.arange(3)), DTypeError, "mean of i64"),
    ("max_none", lambda: cr.max(cr.zeros((0,))), ShapeError, "max of no elements"),
    ("argmax_none", lambda: cr.argmax(cr.zeros((0,))), ShapeError, "argmax of no elements"),
    ("cumulative", lambda: cr.cumulative_sum(x), ShapeError, "along no axis"),
    ("norm_nan", lambda: cr.vector_norm(x, ord=float("nan")), UsageError, "ord is nan"),
    ("norm_int", lambda: cr.vector_norm(cr.arange(3)), DTypeError, "vector_norm of i64"),
    ("reshape", lambda: cr.reshape(x, (4,)), ShapeError, "the number of elements changes"),
    ("reshape_open", lambda: cr.reshape(x, (4, -1)), ShapeError, "size -1 cannot be computed"),
    ("reshape_two", lambda: cr.reshape(x, (-1, -1)), ShapeError, "-1 stands once"),
    ("reshape_float", lambda: cr.reshape(x, (1.5,)), ShapeError, r"the size 1\.5"),  # type: ignore[arg-type]
    ("permute", lambda: cr.permute_dims(x, (0, 0)), ShapeError, "permute_dims: axes"),
    ("expand", lambda: cr.expand_dims(x, axis=5), ShapeError, "expand_dims: axis 5"),
    ("squeeze", lambda: cr.squeeze(x, axis=0), ShapeError, "squeeze: axis 0 has size 2"),
    ("broadcast", lambda: cr.broadcast_to(x, (2, 2)), ShapeError, "do not broadcast"),
    ("broadcast_less", lambda: cr.broadcast_to(x, (3,)), ShapeError, "the target is smaller"),
    ("concat", lambda: cr.concat([x, y], axis=1), ShapeError, "concat: shapes differ"),
    ("concat_one", lambda: cr.concat(x), UsageError, "concat of Tensor"),  # type: ignore[arg-type]
    ("concat_none", lambda: cr.concat([]), UsageError, "expected a list of at least one"),
    ("stack", lambda: cr.stack([x, y]), ShapeError, "stack: shapes differ"),
    ("flip", lambda: cr.flip(x, axis=2), ShapeError, "flip: no axis 2"),
    ("roll", lambda: cr.roll(x, (1, 2), axis=0), ShapeError, "do not pair up"),
    ("repeat", lambda: cr.repeat(x, -1), UsageError, "repeat: repeats=-1"),
    ("repeat_array", lambda: cr.repeat(v, np.arange(5)), UsageError, "expected an integer"),  # type: ignore[arg-type]
    ("repeat_axis", lambda: cr.repeat(x, 2, axis=2), ShapeError, "repeat: no axis 2"),
    ("tile", lambda: cr.tile(x, (2, 1.5)), UsageError, r"tile: repetitions=1\.5"),  # type: ignore[arg-type]
    ("moveaxis", lambda: cr.moveaxis(x, 2, 0), ShapeError, "moveaxis: no axis 2"),
    ("moveaxis_pairs", lambda: cr.moveaxis(x, (0, 1), 0), ShapeError, "do not pair up"),
    ("moveaxis_twice", lambda: cr.moveaxis(x, (0, -2), (0, 1)), ShapeError, "do not pair up"),
    ("meshgrid", lambda: cr.meshgrid(v, x), ShapeError, "expected vectors"),
    ("meshgrid_order", lambda: cr.meshgrid(v, indexing="ji"), UsageError, "expected 'xy' or 'ij'"),
    ("broadcast_arrays", lambda: cr.broadcast_arrays(x, y), ShapeError, "broadcast_arrays: shapes"),
    ("unstack", lambda: cr.unstack(batch), ShapeError, "how many parts"),
    ("unstack_number", lambda: cr.unstack(n), ShapeError, "unstack: no axis 0"),
    ("diff", lambda: cr.diff(n), ShapeError, "diff: no axis -1"),
    ("diff_bool", lambda: cr.diff(x > 0), DTypeError, "subtract"),
    ("diff_times", lambda: cr.diff(x, n=-1), UsageError, "diff: n=-1"),
    ("diff_more", lambda: cr.diff(x, prepend=v), ShapeError, "concat"),
    ("linspace", lambda: cr.linspace(x, 1, 3), ShapeError, r"an end is f32\[2, 3\]"),
    ("linspace_bool", lambda: cr.linspace(True, 1, 3), DTypeError, "an end is bool"),
    ("linspace_int", lambda: cr.linspace(0, 1, 3, dtype="int64"), DTypeError, "of dtype int64"),
    ("linspace_num", lambda: cr.linspace(0, 1, -3), UsageError, "linspace: num=-3"),
    ("reciprocal", lambda: cr.reciprocal(x > 0), DTypeError, "bool combines with bool alone"),
    ("count_nonzero", lambda: cr.count_nonzero(x, axis=2), ShapeError, "count_nonzero: no axis 2"),
    ("cross", lambda: cr.linalg.cross(x.T, x.T), ShapeError, "these have 2 and 2"),
    ("cross_axis", lambda: cr.linalg.cross(x, x, axis=2), ShapeError, "cross: no axis 2"),
    ("cross_ranks", lambda: cr.linalg.cross(t, t[0], axis=0), ShapeError, "a negative number"),
    ("diagonal", lambda: cr.linalg.diagonal(v), ShapeError, "expected at least 2 axes"),
    ("diagonal_open", lambda: cr.linalg.diagonal(batch), ShapeError, "whether batch or 3 is less"),
    ("trace_far", lambda: cr.linalg.trace(x, offset=0.5), UsageError, r"offset=0\.5"),  # type: ignore[arg-type]
    ("matrix_power", lambda: cr.linalg.matrix_power(x, 2), ShapeError, "matrix_power of f32"),
    ("power_half", lambda: cr.linalg.matrix_power(x, 0.5), UsageError, r"n=0\.5"),  # type: ignore[arg-type]
    ("matrix_norm", lambda: cr.linalg.matrix_norm(v), ShapeError, "matrix_norm of f32"),
    ("matrix_norm_2", lambda: cr.linalg.matrix_norm(x, ord=2), UsageError, "ord is 2"),
    ("matrix_norm_nuc", lambda: cr.linalg.matrix_norm(x, ord="nuc"), UsageError, "singular values"),
    ("matrix_norm_int", lambda: cr.linalg.matrix_norm(x > 0), DTypeError, "matrix_norm of bool"),
    ("copysign", lambda: cr.copysign(n, n), DTypeError, "copysign"),
    ("tril", lambda: cr.tril(v), ShapeError, "expected at least 2 axes"),
    ("pad", lambda: cr.pad(x, ((1, 1),)), ShapeError, "pad: the widths"),
    ("pad_negative", lambda: cr.pad(x, -1), ShapeError, "none negative"),
    ("take", lambda: cr.take(x, n), ShapeError, "along no axis"),
    ("take_float", lambda: cr.take(v, x), DTypeError, "take: indices are f32"),
    ("along", lambda: cr.take_along_axis(x, n), ShapeError, "numbers of axes differ"),
    ("one_hot", lambda: cr.one_hot(x, 3), DTypeError, "one_hot of f32"),
    ("where", lambda: cr.where(x, x, x), DTypeError, "the condition is f32"),
    ("logic", lambda: x & x, DTypeError, "logical_and"),
    ("invert", lambda: ~x, DTypeError, "logical_not"),
    ("arange", lambda: cr.arange(0, 3, 0), UsageError, "the step is 0"),
    ("power", lambda: n**-1, DTypeError, "integers have no negative powers"),
    ("truth", lambda: bool(x > 0), UsageError, r"cr\.where"),
    ("condition", lambda: 0 < x < 1, UsageError, "no truth value"),
    ("iteration", lambda: list(x), UsageError, "not iterated over"),
    ("membership", lambda: 1.0 in x, UsageError, "not iterated over"),
    ("length", lambda: len(batch), UsageError, "is not known yet"),
    ("value", lambda: float(x), UsageError, "depends on x"),
    ("array", lambda: np.asarray(batch.shape[0] * cr.ones(())), UsageError, "depends on batch"),
    ("grad", lambda: cr.grad(x, x), ShapeError, "expected a number"),
    ("grad_int", lambda: cr.grad(n, x), DTypeError, "i64"),
    ("grad_for_int", lambda: cr.grad(cr.sum(x), n), DTypeError, "has no derivatives"),
    ("grad_array", lambda: cr.grad(cr.sum(x), np.ones(3)), UsageError, "no tensor"),  # type: ignore[call-overload]
    ("grad_nothing", lambda: cr.grad(cr.sum(x), []), UsageError, "no tensor"),
    ("vjp", lambda: cr.vjp(x, x, np.ones(3, np.float32)), ShapeError, "a cotangent of"),
    ("jvp", lambda: cr.jvp(x, [x], [x, x]), UsageError, "2 tangents for 1 tensors"),
    ("hvp", lambda: cr.hvp(cr.sum(x), x, y), ShapeError, "a vector of"),
]


@pytest.mark.parametrize(
    ("wrong", "error", "said"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG]
)
def test_three_lines(wrong: Callable[[], Any], error: type[ChainruleError], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        wrong()
    where, *rest = str(caught.value).splitlines()
    assert where.startswith(f"test_functions_errors.py:{wrong.__code__.co_firstlineno}")
    assert len(rest) == 2
    assert all(line.startswith("    ") for line in rest)


def test_len_of_a_known_size() -> None:
    assert len(x) == 2


@pytest.mark.parametrize(
    "name", ["x); import os", "lambda", "__class__", "", "1x", "a b", "x\n", "_x", 3, None, "θ"]
)
def test_names_that_are_no_identifiers(name: Any) -> None:
    with pytest.raises(ChainruleError, match="a tensor's name is") as caught:
        cr.tensor(name, (3,))
    assert len(str(caught.value).splitlines()) == 3
    with pytest.raises(ChainruleError):
        cr.tensor("x", (name,) if isinstance(name, str) else ("x y",))


@pytest.mark.parametrize("shape", [(-1,), (1.5,), (True,), ([3],)])
def test_sizes_that_are_none(shape: Any) -> None:
    with pytest.raises(ShapeError, match="expected an integer from 0, a name, or None"):
        cr.tensor("x", shape)


def test_nodes_know_the_line_that_made_them() -> None:
    line = sys._getframe().f_lineno + 1
    z = cr.softmax(x * 2, axis=0)
    assert z.node.where is not None
    assert (z.node.where.file, z.node.where.line) == ("test_functions_errors.py", line)
    assert z.node.operands[0].where == z.node.where
