"""Shapes and numbers that do not fit: told when a formula is written, with axis and sizes."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import ChainruleError

L, T = cr.linalg, cr.tensor
x1, x2 = T("x1", (None, 10, 3)), T("x2", (None, 8, 9, 3))
w1, w2 = T("w1", (3, 3, 5)), T("w2", (3, 3, 3, 5))
ints, truths = T("ints", (3, 3), "int32"), T("truths", (3, 3), "bool")
v, s, m, r = T("v", (5,)), T("s", ()), T("m", (3, 3)), T("r", (3, 4))
none, n, nm = T("none", (0, 3)), T("n", ("n", 3)), T("nm", ("n", "m"))
i4 = T("i4", (4,), "int32")
image, sequence, labels = cr.Input((8, 9, 3)), cr.Input((5, 3)), cr.Input((3,), dtype="int32")


def kernel(*shape: Any) -> cr.Tensor:
    return T("w", shape)


def stepping(make: Callable[[cr.Tensor, cr.Tensor], Any], init: Any = 0.0) -> Any:
    return cr.scan(make, init, v)


Row = tuple[str, Callable[[], Any], str, str]
# What it is, what is wrong, and what the first and the second line say.
CONVOLUTION: list[Row] = [
    ("kernel", lambda: cr.conv(x2, w1),
     "f32[batch, 8, 9, 3] with a kernel f32[3, 3, 5]", "4 axes"),
    ("rank", lambda: cr.conv(v, w1), "conv of f32[5]", "a batch, one to three axes of space"),
    ("channels", lambda: cr.conv(x2, kernel(3, 3, 4, 5)), "channels differ", "3 on its last axis"),
    (
        "channels first",
        lambda: cr.conv(x2, w2, data_format="channels_first"),
        "conv: channels differ",
        "f32[batch, 8, 9, 3] has 8 on axis 1; the kernel f32[3, 3, 3, 5] takes 3",
    ),
    (
        "larger",
        lambda: cr.conv(x2, kernel(3, 10, 3, 5)),
        "conv: the kernel is larger than spatial axis 1",
        "a kernel of 10 on an axis of 9",
    ),
    (
        "dilated",
        lambda: cr.conv(x2, w2, dilation=4),
        "larger than spatial axis 0",
        "a kernel of 9 (3 with dilation 4) on an axis of 8",
    ),
    ("empty axis", lambda: cr.conv(T("x", (1, 0, 9, 3)), w2),
     "spatial axis 0", "3 on an axis of 0"),
    ("empty kernel", lambda: cr.conv(x2, kernel(0, 3, 3, 5)),
     "f32[0, 3, 3, 5]", "axis 0 has size 0"),
    ("open kernel", lambda: cr.conv(x2, kernel("k", 3, 3, 5)), "f32[k, 3, 3, 5]", "axis 0 is k"),
    ("stride 0", lambda: cr.conv(x2, w2, strides=0),
     "conv: strides=0", "at least 1, or 2 of them"),
    ("stride -1", lambda: cr.conv(x2, w2, strides=(1, -1)), "strides=(1, -1)", "at least 1"),
    ("strides", lambda: cr.conv(x2, w2, strides=(1, 2, 3)), "strides=(1, 2, 3)", "2 of them"),
    ("fraction", lambda: cr.conv(x2, w2, strides=1.5), "strides=1.5", "an integer"),  # type: ignore[arg-type]
    ("huge", lambda: cr.conv(x2, w2, strides=2**31), "strides=2147483648", "an integer"),
    ("dilation 0", lambda: cr.conv(x2, w2, dilation=0), "dilation=0", "at least 1"),
    ("padding -1", lambda: cr.conv(x2, w2, padding=-1), "padding=-1", "not negative"),
    ("padding name", lambda: cr.conv(x2, w2, padding="sam"), "padding='sam'", "'valid', 'same'"),
    ("groups 0", lambda: cr.conv(x2, w2, groups=0), "groups=0", "at least 1"),
    (
        "groups",
        lambda: cr.conv(x2, kernel(3, 3, 1, 4), groups=3),
        "4 channels in 3 groups",
        "that the groups divide",
    ),
    ("groups of channels", lambda: cr.conv(x2, w2, groups=2), "channels differ", "6 in 2 groups"),
    ("integers", lambda: cr.conv(T("x", (1, 9, 9, 3), "int32"), T("w", (3, 3, 3, 5), "int32")),
     "int32 and int32", "float32"),
    (
        "same, open",
        lambda: cr.conv(T("x", (None, "h", 9, 3)), w2, padding="same", strides=2),
        'padding="same" with a stride of 2',
        "spatial axis 0 has size h",
    ),
    (
        "transposed, cut",
        lambda: cr.conv_transpose(x2, kernel(3, 3, 5, 3), padding=20),
        "nothing is left of spatial axis 0",
        "the windows reach 10, padding cuts off 40",
    ),
    (
        "output padding",
        lambda: cr.conv_transpose(x2, kernel(3, 3, 5, 3), strides=2, output_padding=2),
        "output_padding=2 on spatial axis 0",
        "the stride is 2",
    ),
    (
        "pool",
        lambda: cr.max_pool(x2, (2, 10)),
        "max_pool: the window is larger than spatial axis 1",
        "a window of 10 on an axis of 9",
    ),
    (
        "pool, padded",
        lambda: cr.average_pool(x2, 2, padding=2),
        "a window of padding alone on spatial axis 0",
        "padding of 2 and 2, a window of 2",
    ),
    ("pool 0", lambda: cr.max_pool(x2, 0), "max_pool: size=0", "at least 1"),
    ("windows", lambda: cr.windows(v, 6), "larger than axis 0", "a window of 6 on an axis of 5"),
    ("windows axis", lambda: cr.windows(v, 2, axis=1), "no axis 1", "f32[5] has 1 axes"),
    ("pad", lambda: cr.pad(m, 1.5), "the widths 1.5", "2 pairs, none negative"),
    ("pad pairs", lambda: cr.pad(m, ((1, 2), 3)), "((1, 2), 3)", "2 pairs"),
    ("layer", lambda: cr.Conv2D(4, (3, 10))(image), "spatial axis 1", "10 on an axis of 9"),
    ("layer axes", lambda: cr.Conv2D(4, 3)(sequence),
     "f32[batch, 5, 3]", "height, width, channels"),
    ("layer groups", lambda: cr.Conv2D(4, 3, groups=2)(image),
     "f32[batch, 8, 9, 3]", "3 channels in 2"),
    ("layer padding", lambda: cr.Conv2D(4, 3, padding="causal")(image), "'causal'", "'same'"),
    ("layer pool", lambda: cr.MaxPooling2D(9)(image), "spatial axis 0", "9 on an axis of 8"),
    ("layer crop", lambda: cr.Cropping2D((4, 0))(image),
     "nothing is left of axis 1", "8 there, 4 and 4"),
]  # fmt: skip
PRODUCTS: list[Row] = [
    ("einsum", lambda: cr.einsum("ij,jk->ik", r, r), "two sizes for 'j'",
     "4 on axis 1 of f32[3, 4], 3 on axis 0 of f32[3, 4]"),
    ("einsum twice", lambda: cr.einsum("ii", r),
     "two sizes for 'i'", "3 on axis 0 of f32[3, 4], 4"),
    ("einsum names", lambda: cr.einsum("ij,jk", n, nm),
     "two sizes for 'j'", "n on axis 0 of f32[n, m]"),
    ("einsum rest", lambda: cr.einsum("...i,...i", T("a", (2, 3)), T("b", (5, 3))),
     "two sizes for '...'",
     "2 on axis 0 of f32[2, 3], 5 on axis 0 of f32[5, 3]"),
    ("einsum rank", lambda: cr.einsum("ijk->i", m), "'ijk' for f32[3, 3]", "each of 2 axes"),
    ("matmul", lambda: m @ v, "inner dimensions differ", "f32[3, 3] @ f32[5]"),
    ("matmul batch", lambda: T("a", (2, 3, 4)) @ T("b", (3, 4, 5)),
     "do not broadcast", "axis -1: 2 and 3"),
    ("matmul truths", lambda: truths @ truths, "dtype bool", "one numeric dtype"),
    ("tensordot", lambda: cr.tensordot(m, r),
     "sizes differ", "3 on axis 1 of f32[3, 3], 4 on axis 1"),
    ("tensordot numbers", lambda: cr.tensordot(m, r, axes=(1, 0)), "axes=(1, 0)", "those of a"),  # type: ignore[arg-type]
    ("tensordot none", lambda: cr.tensordot(m, r, axes=None), "axes=None", "a number of axes"),  # type: ignore[arg-type]
    ("vecdot", lambda: cr.vecdot(m, r), "sizes differ", "along axis -1: 3 and 4"),
    ("vecdot name", lambda: cr.vecdot(m, m, axis="a"), "no axis 'a'", "f32[3, 3] has 2 axes"),  # type: ignore[arg-type]
    ("solve", lambda: L.solve(m, v), "f32[3, 3] and f32[5]", "has 5 rows, the matrix 3 columns"),
    ("solve many", lambda: L.solve(m, T("b", (4, 2))),
     "f32[4, 2]", "4 rows, the matrix 3 columns"),
    ("solve square", lambda: L.solve(r, r), "solve of f32[3, 4]", "square matrices"),
    ("solve names", lambda: L.solve(nm, nm), "solve of f32[n, m]", "square matrices"),
    ("inv of integers", lambda: L.inv(ints), "inv of i32[3, 3]", "float32, float64"),
    ("slogdet", lambda: L.slogdet(r), "slogdet of f32[3, 4]", "square matrices"),
    ("diagonal", lambda: L.diagonal(v), "diagonal of f32[5]", "at least 2 axes"),
    ("trace", lambda: L.trace(v), "trace of f32[5]", "at least 2 axes"),
    ("outer", lambda: L.outer(m, v), "outer of f32[3, 3] and f32[5]", "two vectors"),
]  # fmt: skip
POSITIONS: list[Row] = [
    ("take floats", lambda: cr.take(m, v, axis=0), "indices are f32[5]", "int32 or int64"),
    ("take axis", lambda: cr.take(m, i4, axis=-3), "no axis -3", "f32[3, 3] has 2 axes"),
    ("along", lambda: cr.take_along_axis(m, T("i", (4, 3), "int32")),
     "broadcast", "axis -2: 3 and 4"),
    ("getitem", lambda: m[3], "position 3 is out of range", "axis 0 of f32[3, 3] has size 3"),
    ("getitem array", lambda: m[:, np.array([1, -4])],
     "position -4", "axis 1 of f32[3, 3] has size 3"),
    ("getitem many", lambda: m[0, 0, 0], "3 positions", "it has 2 axes"),
    ("scatter values", lambda: cr.scatter_add(m, i4, m),
     "values f32[3, 3]", "broadcasts to [4, 3]"),
    ("scatter known", lambda: cr.scatter_add(m, np.array([3]), 1.0),
     "position 3", "axis 0 of f32[3, 3]"),
    ("segments", lambda: cr.segment_sum(m, i4, 3), "segments i32[4]", "a segment for each row"),
    ("segments floats", lambda: cr.segment_sum(m, T("i", (3,)), 3),
     "segments f32[3]", "int32 or int64"),
    ("segments -1", lambda: cr.segment_sum(m, labels[0], -1), "num_segments=-1", "at least 0"),
    ("segments 1.5", lambda: cr.segment_sum(m, labels[0], 1.5), "num_segments=1.5", "an integer"),  # type: ignore[arg-type]
    ("segments none", lambda: cr.segment_sum(m, labels[0], None),  # type: ignore[arg-type]
     "num_segments=None", "an integer"),
    ("one_hot -1", lambda: cr.one_hot(i4, -1), "num_classes=-1", "at least 0"),
    ("one_hot name", lambda: cr.one_hot(i4, "a"), "num_classes='a'", "an integer"),  # type: ignore[arg-type]
    ("one_hot true", lambda: cr.one_hot(i4, True), "num_classes=True", "an integer"),
    ("top_k", lambda: cr.top_k(v, 6), "the 6 largest of 5", "axis 0 of f32[5]"),
    ("top_k 1.5", lambda: cr.top_k(v, 1.5), "top_k: k=1.5", "an integer"),  # type: ignore[arg-type]
    ("top_k none", lambda: cr.top_k(v, None), "top_k: k=None", "an integer"),  # type: ignore[arg-type]
    ("sort", lambda: cr.sort(s), "sort: no axis -1", "f32[] has 0 axes"),
    ("searchsorted", lambda: cr.searchsorted(m, v), "in f32[3, 3]", "expected one axis"),
    ("interp", lambda: cr.interp(v, v, r[0]), "f32[5] and f32[4]", "one axis of the same size"),
    ("interp nothing", lambda: cr.interp(v, T("a", (0,)), T("b", (0,))), "f32[0]", "at least 1"),
    ("embedding", lambda: cr.Embedding(5, 4)(sequence), "f32[batch, 5, 3]", "labels, int32"),
    ("embedding dtype", lambda: cr.Embedding(5, 4, dtype="int32"),
     "Embedding of int32", "float32"),
    ("positions", lambda: cr.PositionEmbedding(4)(sequence),
     "f32[batch, 5, 3]", "5 positions, there are 4"),
    ("max", lambda: cr.max(none, axis=0), "max of no elements", "f32[0, 3]"),
    ("logsumexp", lambda: cr.logsumexp(none, axis=0),
     "logsumexp of no elements", "axis 0 of f32[0, 3]"),
    ("roll", lambda: cr.roll(v, 1.5), "roll: shift=1.5", "an integer"),  # type: ignore[arg-type]
    ("tril", lambda: cr.tril(m, k="a"), "tril: k='a'", "an integer"),  # type: ignore[arg-type]
    ("eye", lambda: cr.eye(3, -2), "eye: the size -2", "an integer from 0"),
    ("eye k", lambda: cr.eye(3, k=0.5), "eye: k=0.5", "an integer"),  # type: ignore[arg-type]
    ("zeros", lambda: cr.zeros(-1), "zeros: the size -1", "an integer from 0"),
    ("ones", lambda: cr.ones((2, -1)), "ones: the size -1", "an integer from 0"),
    ("full", lambda: cr.full((2,), v), "the value is f32[5]", "one number"),  # type: ignore[arg-type]
    ("arange", lambda: cr.arange("a"), "arange: 'a'", "expected numbers"),  # type: ignore[arg-type]
    ("reshape", lambda: cr.reshape(m, (-2, 3)), "the size -2", "an integer from -1"),
    ("concat", lambda: cr.concat([m, r], axis=0),
     "apart from axis 0", "differ on axis 1: 3 and 4"),
    ("concat rank", lambda: cr.concat([m, v], axis=0),
     "apart from axis 0", "number of axes: 2 and 1"),
    ("stack", lambda: cr.stack([m, m], axis=3), "stack: no axis 3", "has 3 axes"),
    ("permute", lambda: cr.permute_dims(m, None), "axes None", "the 2 axes of f32[3, 3] once"),  # type: ignore[arg-type]
    ("expand", lambda: cr.expand_dims(m, axis="a"), "expand_dims: axis a", "has 3 axes"),  # type: ignore[arg-type]
    ("variance", lambda: cr.var(m, correction="a"), "correction='a'", "a number"),  # type: ignore[arg-type]
]  # fmt: skip
LOOPS: list[Row] = [
    ("lengths", lambda: cr.scan(lambda c, x: (c, x), 0.0, [v, r]), "lengths differ",
     "5 on axis 0 of f32[5], 3 on axis 0 of f32[3, 4]"),
    ("length", lambda: cr.scan(lambda c, x: (c, x), 0.0, v, length=4),
     "lengths differ", "length is 4, 5"),
    ("length -1", lambda: cr.scan(lambda c, x: (c, None), 0.0, length=-1),
     "length=-1", "at least 0"),
    ("length name", lambda: cr.scan(lambda c, x: (c, None), 0.0, length="a b"),
     "'a b'", "letters, digits"),
    ("no axis", lambda: cr.scan(lambda c, x: (c, x), 0.0, s), "scan over f32[]", "axis of steps"),
    ("shape", lambda: stepping(lambda c, x: (cr.stack([c, c]), x)), "changes its shape: c",
     "begins as f32[] and becomes f32[2]"),
    ("dtype", lambda: stepping(lambda c, x: (c.astype("float64"), x), s), "changes its dtype: c",
     "begins as f32[] and becomes f64[]"),
    ("form", lambda: stepping(lambda c, x: ((c, c), x)), "of another form", "x and became (x, x)"),
    ("pair", lambda: stepping(lambda c, x: c), "returned Tensor", "the next carry"),
    ("step", lambda: stepping(None), "the step is NoneType", "a function of the carry"),  # type: ignore[arg-type]
    ("arguments", lambda: stepping(lambda c: (c, c)), "one of (c)", "a function of the carry"),  # type: ignore[misc, arg-type]
    ("inside", lambda: stepping(lambda c, x: (c @ r, x), m), "shape: c", "becomes f32[3, 4]"),
    ("index", lambda: stepping(lambda c, x: (c, r[x.astype("int32"), 4])), "position 4", "axis 1"),
    ("map", lambda: cr.map(None, m), "map: the function is NoneType", "one part"),  # type: ignore[arg-type]
    ("map axis", lambda: cr.map(lambda x: x, m, axis=2), "map: no axis 2", "f32[3, 3] has 2 axes"),
    ("map lengths", lambda: cr.map(lambda x: x, [m, v]),
     "lengths differ", "3 on axis 0 of f32[3, 3]"),
    ("branch", lambda: cr.cond(s > 0, m, m),  # type: ignore[arg-type]
     "cond: a branch is Tensor", "a function of 0 operands"),
    ("operands", lambda: cr.cond(s > 0, lambda x: x, lambda: m, m),
     "a branch is one of ()", "1 operands"),
    ("branches", lambda: cr.cond(s > 0, lambda: m, lambda: r),
     "different shapes", "f32[3, 3] and f32[3, 4]"),
    ("predicate", lambda: cr.cond(v > 0, lambda: m, lambda: m), "is bool[5]", "of no axes"),
    ("while", lambda: cr.while_loop(None, lambda c: c, s),  # type: ignore[arg-type]
     "the condition is NoneType", "the carry"),
    ("while step", lambda: cr.while_loop(lambda c: c > 0, lambda c, d: c, s),  # type: ignore[misc, arg-type]
     "is one of (c, d)", "the carry"),
    ("while carry", lambda: cr.while_loop(lambda c: c > 0, lambda c: m, s),
     "its shape: c", "becomes f32[3, 3]"),
    ("max_steps", lambda: cr.while_loop(lambda c: c > 0, lambda c: c, s, "a b"),
     "'a b'", "letters, digits"),
    ("root", lambda: cr.root(lambda x: x[:2], v), "gives f32[2]", "as many numbers"),
    ("samples", lambda: cr.root(lambda x: x, v, samples="a"), "samples='a'", "at least 0"),  # type: ignore[arg-type]
    ("fixed_point", lambda: cr.fixed_point(lambda x: x[:2], v), "gives f32[2]", "expected f32[5]"),
    ("LSTM", lambda: cr.LSTM(4)(image), "LSTM(4) on f32[batch, 8, 9, 3]", "batch, time, features"),
    ("mask", lambda: cr.LSTM(4)(sequence, mask=cr.Input((4,), dtype="bool")), "bool[batch, 4]",
     "shape (batch, 5)"),
    ("state", lambda: cr.GRU(4)(sequence, initial_state=cr.Input((3,))),
     "f32[batch, 3]", "(batch, 4)"),
    ("states", lambda: cr.LSTM(4)(sequence, initial_state=cr.Input((4,))),
     "1 initial states", "2: h, c"),
]  # fmt: skip
LAYERS: list[Row] = [
    ("attention", lambda: cr.scaled_dot_product_attention(m, r, r), "do not fit", "key f32[3, 4]"),
    ("mask", lambda: cr.scaled_dot_product_attention(m, m, m, T("k", (4, 3), "bool")),
     "mask of bool[4, 3]", "axis -2 has size 4, and there are 3 queries"),
    ("mask of keys", lambda: cr.scaled_dot_product_attention(m, m, m, T("k", (4,), "bool")),
     "mask of bool[4]", "axis -1 has size 4, and there are 3 keys"),
    ("heads", lambda: cr.MultiHeadAttention(2, 4)(
        sequence, attention_mask=cr.Input((5, 6), dtype="bool")), "mask of bool[batch, 1, 5, 6]",
     "axis -1 has size 6, and there are 5 keys"),
    ("keys", lambda: cr.MultiHeadAttention(2, 4)(sequence, sequence, cr.Input((6, 3))),
     "of different length", "f32[batch, 6, 3] and f32[batch, 5, 3]"),
    ("batch norm", lambda: cr.BatchNormalization(axis=4)(image), "no axis 4", "has 4 axes"),
    ("batch norm name", lambda: cr.BatchNormalization(axis="a"), "axis='a'", "an integer"),  # type: ignore[arg-type]
    ("along the batch", lambda: cr.LayerNormalization(axis=0)(image),
     "along the batch", "axis 0 of"),
    ("groups", lambda: cr.GroupNormalization(2)(image),
     "f32[batch, 8, 9, 3]", "3 channels are not 2"),
    ("open", lambda: cr.LayerNormalization()(cr.Input((None,))),
     "f32[batch, x_1]", "axis 1 has no known"),
    ("labels", lambda: cr.RMSNormalization()(labels), "i32[batch, 3]", "of floats"),
    ("softmax", lambda: cr.softmax(m, axis=2), "softmax: no axis 2", "f32[3, 3] has 2 axes"),
]  # fmt: skip
EVERY: dict[str, tuple[Callable[[], Any], str, str]] = {
    f"{kind}: {name}": (wrong, what, detail)
    for kind, rows in {
        "convolution": CONVOLUTION,
        "product": PRODUCTS,
        "position": POSITIONS,
        "loop": LOOPS,
        "layer": LAYERS,
    }.items()
    for name, wrong, what, detail in rows
}


@pytest.mark.parametrize("name", EVERY)
def test_three_lines_of_the_users_own(name: str) -> None:
    wrong, what, detail = EVERY[name]
    with pytest.raises(ChainruleError) as caught:
        wrong()
    message = str(caught.value)
    lines = message.splitlines()
    assert len(lines) == 3, message
    place, _, said = lines[0].partition(": ")
    own = [f for f in traceback.extract_tb(caught.value.__traceback__) if f.filename == __file__]
    assert place == f"test_bad_shapes.py:{own[-1].lineno}", message
    assert what in said, message
    assert detail in lines[1], message
    assert lines[2].startswith("    hint: "), message
