"""Arrays that do not fit: every target says the same, or gives the same stated values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import (
    ChainruleError,
    ConvergenceError,
    IndexOutOfRange,
    LoopError,
    MatrixError,
    ShapeError,
)

Array = np.ndarray[Any, Any]
L, T = cr.linalg, cr.tensor
TARGETS = ("numpy", "cpu")
a, d, p = T("a", (), "float64"), T("d", (), "int32"), T("p", (), "bool")
n, n3 = T("n1", ("n",)), T("n3", ("n", 3))
m, many, s = T("m", (3, 3)), T("many", ("b", 3, 3)), T("s", (3,))
i, j, fp = T("i", ("k",), "int32"), T("j", ("n",), "int32"), T("fp", ("n",))
nothing, s3 = T("nothing", (0, 3)), T("s3", (3,), "int32")
image = T("image", ("b", "h", "w", 2))
kernel, turned = T("kernel", (3, 3, 2, 1)), T("turned", (3, 3, 1, 2))
q, k = T("q", ("l", 4)), T("keys", ("s", 4))
ABC = np.arange(1, 10, dtype=np.float32).reshape(3, 3)
ZERO, EYE = np.zeros((3, 3), np.float32), np.eye(3, dtype=np.float32)
NAN = np.full((3, 3), np.nan, np.float32)
ONES = np.ones(3, np.float32)
HALF, THREE = np.float64(0.5), np.float64(3)


def rows(*shape: int) -> Array:
    return np.arange(1, 1 + int(np.prod(shape)), dtype=np.float32).reshape(shape)


def at(*positions: int) -> Array:
    return np.array(positions, np.int32)


def growing(steps: Any, at_bound: Any = "error") -> cr.Tensor:
    """The first power of a that is not below 100."""
    one = cr.ones_like(a)
    found: cr.Tensor = cr.while_loop(lambda x: x < 100, lambda x: x * a, one, steps, at_bound)
    return found


def both(y: cr.Tensor, x: cr.Tensor) -> list[cr.Tensor]:
    """The value, and the gradient of its sum of squares."""
    return [y, cr.grad(cr.sum(y * y), x)]


@dataclass(frozen=True)
class Case:
    """A function, arrays that it takes, and arrays for which an error says this."""

    inputs: Sequence[cr.Tensor]
    outputs: Callable[[], list[cr.Tensor]]
    fine: Sequence[Any]
    wrong: Sequence[tuple[Sequence[Any], type[ChainruleError], str, str]]


OUT, MATRIX, SHAPE = IndexOutOfRange, MatrixError, ShapeError
OUTSIDE = "an index lies outside its axis"
NO_PIVOT, PIVOTS = "a pivot that is exactly 0", "are not all above 0"


def outside(*given: tuple[Sequence[Any], int, int]) -> list[Any]:
    return [(x, OUT, OUTSIDE, f"position {place} on an axis of size {n}") for x, place, n in given]


CASES: dict[str, Case] = {
    "take": Case(
        (m, i),
        lambda: both(cr.take(m, i, axis=0), m),
        (ABC, at(0, 2)),
        outside(((ABC, at(0, 3)), 3, 3), ((ABC, at(-1)), -1, 3)),
    ),
    "the gradient of take": Case(
        (m, i), lambda: [cr.grad(cr.sum(cr.take(m, i, axis=0)), m)], (ABC, at(2, 2)),
        outside(((ABC, at(0, 3)), 3, 3), ((ABC, at(-1)), -1, 3)),
    ),
    "take from open axes": Case(
        (n3, i), lambda: both(cr.take(n3, i, axis=0), n3), (rows(0, 3), at()),
        [*outside(((rows(4, 3), at(4)), 4, 4)),
         ((rows(0, 3), at(0)), SHAPE, "an axis that has no elements", "it is -1 for n = 0, k = 1")],
    ),
    "take from nothing": Case(
        (nothing, i), lambda: both(cr.take(nothing, i, axis=0), nothing), (rows(0, 3), at()),
        [((rows(0, 3), at(0)), SHAPE, "an axis that has no elements", "it is -1 for k = 1")],
    ),
    "a segment of none": Case(
        (m, s3), lambda: [cr.segment_sum(m, s3, 0)], (), [((ABC, at(0, 0, 0)), SHAPE,
        "an axis that has no elements", "the sizes are those of the formula")],
    ),
    "x[i]": Case(
        (m, i), lambda: both(m[i], m), (ABC, at(-3, 2)),
        outside(((ABC, at(3)), 3, 3), ((ABC, at(-4)), -1, 3)),
    ),
    "x[i, i]": Case(
        (m, i), lambda: both(m[i, i], m), (ABC, at(-3, 2)),
        outside(((ABC, at(0, 3)), 3, 3), ((ABC, at(-4)), -1, 3)),
    ),
    "take_along_axis": Case(
        (n3, j), lambda: both(cr.take_along_axis(n3, j[:, None], axis=1), n3),
        (rows(2, 3), at(0, 2)),
        outside(((rows(2, 3), at(0, 3)), 3, 3), ((rows(2, 3), at(-1, 0)), -1, 3)),
    ),
    "scatter_add": Case(
        (m, i), lambda: both(cr.scatter_add(m, i, 1.0), m), (ABC, at(-1, 0)),
        outside(((ABC, at(3)), 3, 3), ((ABC, at(-4)), -1, 3)),
    ),
    "scatter_add at pairs": Case(
        (m, i), lambda: both(cr.scatter_add(m, (i, i), 2.0), m), (ABC, at(-1, 0)),
        outside(((ABC, at(3)), 3, 3),),
    ),
    "segment_sum": Case(
        (n3, j), lambda: both(cr.segment_sum(n3, j, 3), n3), (rows(0, 3), at()),
        [*outside(((rows(2, 3), at(0, 3)), 3, 3), ((rows(2, 3), at(0, -1)), -1, 3)),
         ((rows(2, 3), at(0)), SHAPE, "j has the wrong shape", "expected i32[n], came i32[1]")],
    ),
    "labels": Case(
        (n3, j),
        lambda: [cr.mean(cr.losses.sparse_categorical_crossentropy_from_logits(j, n3))],
        (rows(2, 3), at(0, 2)),
        outside(((rows(2, 3), at(0, 3)), 3, 3), ((rows(2, 3), at(-1, 0)), -1, 3)),
    ),
    "take in a loop": Case(
        (m, i), lambda: both(cr.scan(lambda c, t: (c, cr.take(m, t, axis=0)), 0.0, i)[1], m),
        (ABC, at(0, 1)), outside(((ABC, at(0, 3)), 3, 3), ((ABC, at(-1)), -1, 3)),
    ),
    "a carry as a position": Case(
        (m, i), lambda: [cr.scan(lambda c, _: (c + 1, cr.take(m, c, axis=0)), np.int32(0), i)[1]],
        (ABC, at(0, 0, 0)), outside(((ABC, at(0, 0, 0, 0)), 3, 3)),
    ),
    "two matrices": Case(
        (m, many), lambda: [*both(L.solve(m, ONES), m), L.cholesky(many)], (EYE, EYE[None]),
        [((ZERO, EYE[None]), MATRIX, "a matrix is singular", NO_PIVOT),
         ((EYE, -EYE[None]), MATRIX, "not positive definite", PIVOTS)],
    ),
    "inv": Case(
        (many,), lambda: both(L.inv(many), many), (NAN[None],),
        [((np.stack([EYE, ABC * 0]),), MATRIX, "a matrix is singular", NO_PIVOT)],
    ),
    "the gradient of det": Case(
        (dets := T("dets", ("b", 3, 3)),), lambda: both(L.det(dets), dets), (rows(0, 3, 3),),
        [((ZERO[None],), MATRIX, "a matrix is singular", NO_PIVOT)],
    ),
    "solve in a loop": Case(
        (many,),
        lambda: both(cr.scan(lambda c, a: (L.solve(a, c), c), ONES, many)[0], many),
        (rows(0, 3, 3),), [((np.stack([EYE, ZERO]),), MATRIX, "a matrix is singular", NO_PIVOT)],
    ),
    "x[4]": Case(
        (n3,), lambda: both(n3[4], n3), (rows(5, 3),),
        [((rows(4, 3),), SHAPE, "axis 0 is shorter than what is taken", "n - 5")],
    ),
    "x[1:-1]": Case(
        (n3,), lambda: both(n3[1:-1], n3), (rows(2, 3),),
        [((rows(1, 3),), SHAPE, "axis 0 is shorter", "it is -1 for n = 1")],
    ),
    "top_k": Case(
        (n,), lambda: both(cr.top_k(n, 3)[0], n), (rows(3),),
        [((rows(2),), SHAPE, "axis 0 is shorter", "it is -1 for n = 2")],
    ),
    "conv": Case(
        (image, kernel), lambda: both(cr.conv(image, kernel), image),
        (rows(0, 3, 4, 2), rows(3, 3, 2, 1)),
        [((rows(1, 2, 4, 2), rows(3, 3, 2, 1)), SHAPE,
          "conv: the kernel is larger than spatial axis 0", "it is -1 for b = 1, h = 2, w = 4"),
         ((rows(1, 4, 0, 2), rows(3, 3, 2, 1)), SHAPE,
          "conv: the kernel is larger than spatial axis 1",
          "w - 3 must not be negative; it is -3")],
    ),
    "conv, strided": Case(
        (image, kernel), lambda: both(cr.conv(image, kernel, 2, dilation=2), kernel),
        (rows(1, 5, 5, 2), rows(3, 3, 2, 1)),
        [((rows(1, 4, 6, 2), rows(3, 3, 2, 1)), SHAPE, "larger than spatial axis 0", "h - 5")],
    ),
    "conv_transpose": Case(
        (image, turned), lambda: both(cr.conv_transpose(image, turned, 1, 2), image),
        (rows(1, 3, 3, 2), rows(3, 3, 1, 2)),
        [((rows(1, 0, 2, 2), rows(3, 3, 1, 2)), SHAPE, "spatial axis 0", "h - 1"),
         ((rows(1, 3, 1, 2), rows(3, 3, 1, 2)), SHAPE, "nothing is left of spatial axis 1",
          "w - 2")],
    ),
    "max_pool": Case(
        (image,), lambda: both(cr.max_pool(image, 2), image), (rows(0, 2, 2, 2),),
        [((rows(1, 1, 2, 2),), SHAPE, "max_pool: the window is larger than spatial", "h - 2")],
    ),
    "average_pool": Case(
        (image,), lambda: both(cr.average_pool(image, 3, 1, 1), image), (rows(1, 1, 1, 2),),
        [((rows(1, 0, 2, 2),), SHAPE, "average_pool: the window is larger", "h - 1")],
    ),
    "windows": Case(
        (n,), lambda: both(cr.windows(n, 3), n), (rows(3),),
        [((rows(2),), SHAPE, "windows: the window is larger than axis 0", "n - 3 must not be")],
    ),
    "max": Case(
        (n3,), lambda: both(cr.max(n3, axis=0), n3), (NAN,),
        [((rows(0, 3),), SHAPE, "max of no elements", "it is -1 for n = 0")],
    ),
    "softmax": Case(
        (n3,), lambda: both(cr.softmax(n3, axis=0), n3), (rows(1, 3),),
        [((rows(0, 3),), SHAPE, "softmax of no elements", "it is -1 for n = 0")],
    ),
    "logsumexp": Case(
        (n3,), lambda: both(cr.logsumexp(n3, axis=0), n3), (rows(1, 3),),
        [((rows(0, 3),), SHAPE, "logsumexp of no elements", "it is -1 for n = 0")],
    ),
    "interp": Case(
        (s, n, fp), lambda: both(cr.interp(s, n, fp), fp), (ONES, rows(1), rows(1)),
        [((ONES, rows(0), rows(0)), SHAPE, "no elements", "for n = 0"),
         ((ONES, rows(2), rows(3)), SHAPE, "fp has the wrong shape",
          "expected f32[n], came f32[3]")],
    ),
    "attention": Case(
        (q, k), lambda: both(cr.scaled_dot_product_attention(q, k, k, is_causal=True), q),
        (rows(0, 4), rows(2, 4)),
        [((rows(2, 4), rows(0, 4)), SHAPE, "softmax of no elements", "it is -1 for l = 2, s = 0")],
    ),
    "while_loop": Case(
        (a, n),
        lambda: [y := growing(n.shape[0]), cr.grad(y, a), growing(1, "stop")], (THREE, rows(5)),
        [((THREE, rows(4)), LoopError, "while_loop is still going after n steps", "still holds"),
         ((THREE, rows(0)), LoopError, "while_loop is still going after n steps", "still holds")],
    ),
    "a condition that looks something up": Case(
        (m, d),
        lambda: [cr.while_loop(lambda c: cr.take(m, c, axis=0)[0] < 100, lambda c: c + 1, d)],
        (ABC * 100, np.int32(2)),
        outside(((ABC, np.int32(1)), 3, 3), ((ABC, np.int32(-1)), -1, 3)),
    ),
    "cond": Case(
        (p, m, d),
        lambda: both(cr.cond(p, lambda: cr.sum(L.inv(m)[d]), lambda: cr.sum(m)), m),
        (np.False_, ZERO, np.int32(7)),  # the branch that is not taken may be as wrong as it likes
        [((np.True_, ZERO, np.int32(0)), MATRIX, "a matrix is singular", NO_PIVOT),
         *outside(((np.True_, EYE, np.int32(7)), 7, 3))],
    ),
    "map": Case(
        (m, i), lambda: both(cr.map(lambda place: cr.take(m, place, axis=0), i), m), (ABC, at()),
        outside(((ABC, at(1, 3)), 3, 3)),
    ),
    "fixed_point": Case(
        (a,), lambda: [x := cr.fixed_point(lambda x: a * x + 1, 0.0, max_steps=50), cr.grad(x, a)],
        (HALF,),
        [((np.float64(1),), ConvergenceError, "fixed_point did not converge in 50", "tolerance"),
         ((np.float64(np.nan),), ConvergenceError, "fixed_point did not converge", "tolerance")],
    ),
    "root": Case(
        (a,), lambda: [x := cr.root(lambda x: x * x - a, 1.0, max_steps=30), cr.grad(x, a)],
        (HALF,),
        [((np.float64(-1),), MATRIX, "a matrix is singular", NO_PIVOT),
         ((np.float64(np.nan),), ConvergenceError, "root did not converge in 30", "tolerance")],
    ),
}  # fmt: skip


def alike(given: Sequence[Array], other: Sequence[Array]) -> None:
    for a, b in zip(given, other, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_every_target_says_the_same(name: str) -> None:
    """Of the line where the formula was written, or of the call for what the call gave."""
    case = CASES[name]
    outputs = case.outputs()
    functions = [cr.function(case.inputs, outputs, target, name="f") for target in TARGETS]
    if case.fine:
        alike(*(f(*case.fine) for f in functions))
    for arrays, kind, what, detail in case.wrong:
        messages = set()
        for f in functions:
            with pytest.raises(kind) as caught:
                f(*arrays)
            messages.add(str(caught.value))
        (message,) = messages
        lines = message.splitlines()
        assert len(lines) == 3, message
        assert lines[0].startswith("test_bad_calls.py:"), message
        assert what in lines[0], message
        assert detail in lines[1], message
    if case.fine:
        alike(*(f(*case.fine) for f in functions))  # a call that failed leaves nothing behind


def test_values_where_there_is_no_error() -> None:
    """What documentation states for input that is out of the ordinary."""
    nan = np.nan
    outputs = {
        "one_hot": (cr.one_hot(i, 3), [[0, 0, 0], [0, 0, 0], [0, 0, 1]]),
        "quotient": (i // (i - i), [0, 0, 0]),
        "remainder": (i % (i - i), [0, 0, 0]),
        "det": (L.det(m), nan),
        "sign": (L.slogdet(m).sign, nan),
        "logabsdet": (L.slogdet(m).logabsdet, nan),
        "solve": (L.solve(m, ONES), [nan] * 3),
        "singular det": (L.det(many), [0]),
        "singular sign": (L.slogdet(many).sign, [0]),
        "singular logarithm": (L.slogdet(many).logabsdet, [-np.inf]),
        "mean of nothing": (cr.mean(n3, axis=0), [nan] * 3),
        "sum of nothing": (cr.sum(n3, axis=0), [0] * 3),
        "product of nothing": (cr.prod(n3, axis=0), [1] * 3),
        "variance of nothing": (cr.var(n3, axis=0, correction=1), [nan] * 3),
        "sort": (cr.sort(s), [-1, 2, nan]),
        "largest": (cr.max(s), nan),
        "place": (cr.searchsorted(np.array([1.0, 2.0], np.float32), s), [2, 1, 0]),
    }
    for target in TARGETS:
        f = cr.function((m, many, n3, i, s), [y for y, _ in outputs.values()], target)
        given = np.array([nan, 2, -1], np.float32)
        found = f(NAN, ABC[None] * 0 + 1, rows(0, 3), at(3, -1, 2), given)
        for name, value, (_, expected) in zip(outputs, found, outputs.values(), strict=True):
            np.testing.assert_array_equal(
                value, np.array(expected, value.dtype), f"{name} {target}"
            )


def test_the_gradient_of_a_loss_alone_takes_a_class_that_does_not_exist_for_none() -> None:
    loss = cr.mean(cr.losses.sparse_categorical_crossentropy_from_logits(j, n3))
    for target in TARGETS:
        f = cr.function((n3, j), cr.grad(loss, n3), target)
        np.testing.assert_allclose(f(np.zeros((2, 3), np.float32), at(3, -1)), 1 / 6, rtol=1e-6)


@pytest.mark.parametrize("target", TARGETS)
def test_fit_stops_at_an_index_and_keeps_the_weights(target: str) -> None:
    x = cr.Input((2,), dtype="int32")
    model = cr.Model(x, cr.Dense(1)(cr.Flatten()(cr.Embedding(5, 3)(x))), seed=0)
    model.compile("mse", "sgd", target=target)
    labels, y = np.zeros((64, 2), np.int32), np.zeros((64, 1), np.float32)
    labels[40, 1] = 5
    before = model.get_weights()
    with pytest.raises(ChainruleError) as caught:
        model.fit(labels, y, batch_size=64, seed=0, verbose=0)
    assert "position 5 on an axis of size 5" in str(caught.value)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("target", TARGETS)
def test_images_that_are_too_small_for_a_layer(target: str) -> None:
    """The line is the layer's."""
    x = cr.Input((None, None, 1))
    layer = cr.Conv2D(2, 3)
    model = cr.Model(x, cr.GlobalMaxPooling2D()(layer(x)), seed=0)
    model.compile("mse", "sgd", target=target)
    model.predict(np.ones((2, 3, 4, 1), np.float32))
    with pytest.raises(ShapeError) as caught:
        model.fit(np.ones((2, 2, 4, 1), np.float32), np.ones((2, 2)), verbose=0)
    assert layer.where is not None
    assert str(caught.value).startswith(
        f"test_bad_calls.py:{layer.where.line}: conv: the kernel is larger than spatial axis 0"
    )
