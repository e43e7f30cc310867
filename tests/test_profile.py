"""Profiles: what kernels do is counted, how long they take is measured, and nothing changes."""

from __future__ import annotations

import html
from functools import partial
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import _build
from chainrule.compiler.errors import IndexOutOfRange, UnknownNameError, UsageError
from chainrule.compiler.program import Kernel, Program
from chainrule.compiler.types import value
from chainrule.runtime.devices.cpu import objects
from chainrule.runtime.profile import Profile


def classifier(target: str = "cpu") -> cr.Model:
    model = cr.Sequential(
        [cr.Input((16,)), cr.Dense(8, activation="relu"), cr.Dense(3)], name="digits", seed=0
    )
    model.compile("sparse_categorical_crossentropy_from_logits", "adam", target=target)
    return model


X = np.random.default_rng(0).random((20, 16)).astype(np.float32)
T = np.random.default_rng(0).integers(0, 3, 20)


def kernels(*outputs: cr.Tensor, inputs: list[cr.Tensor]) -> tuple[Kernel, ...]:
    return _build.program(cr.function(inputs, list(outputs))._request, "cpu").kernels


def counted(*outputs: cr.Tensor, inputs: list[cr.Tensor], **sizes: int) -> tuple[int, int, int]:
    works = [kernel.work for kernel in kernels(*outputs, inputs=inputs)]
    return (
        sum(value(work.flops, sizes) for work in works),
        sum(value(work.read, sizes) for work in works),
        sum(value(work.written, sizes) for work in works),
    )


x, y = cr.tensor("x", ("n", "n")), cr.tensor("y", ("n", "n"))
i = cr.tensor("i", ("k",), "int32")
N = 10


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: x + y, (N**2, 8 * N**2, 4 * N**2)),
        (lambda: cr.exp(x) * 2 + 1, (3 * N**2, 4 * N**2, 4 * N**2)),
        (lambda: cr.sum(x), (N**2, 4 * N**2, 4)),
        (lambda: cr.where(x > y, x, y), (0, 8 * N**2, 4 * N**2)),
        (lambda: cr.matrix_transpose(x), (0, 4 * N**2, 4 * N**2)),
        (lambda: cr.take(x, i, axis=0), (0, 4 * 5 * N + 4 * 5, 4 * 5 * N)),
        (lambda: x @ y, (2 * N**3, 8 * N**2, 4 * N**2)),
        (lambda: x / cr.sum(x, axis=1, keepdims=True), (2 * N**2, 4 * N**2, 4 * N**2)),
    ],
    ids=["add", "chain", "sum", "choice", "move", "look up", "product", "fused"],
)
def test_what_a_function_does(make: Any, expected: tuple[int, int, int]) -> None:
    made = make()
    inputs = [x, y, i]
    assert counted(made, inputs=inputs, n=N, k=5) == expected


def test_what_is_the_same_in_a_row_counts_once_for_each_row() -> None:
    w = cr.tensor("w", ("n",))
    flops, _, _ = counted(x * cr.exp(w)[:, None], inputs=[x, w], n=N)
    assert flops == N**2 + N


def test_rows_of_a_table_count_where_they_are_touched() -> None:
    model = cr.Sequential(
        [cr.Input((6,), dtype="int32"), cr.Embedding(10_000, 4), cr.Flatten(), cr.Dense(1)], seed=0
    )
    model.compile("mse", "sgd")
    profile = model.profile(np.ones((5, 6), np.int32), np.ones((5, 1)))
    assert profile.bytes < 10_000


@pytest.mark.parametrize("size", [3, 5])
def test_a_convolution_has_two_operations_a_term(size: int) -> None:
    image, k = cr.tensor("image", ("b", 12, 12, 2)), cr.tensor("k", (size, size, 2, 4))
    flops, _, _ = counted(cr.conv(image, k), inputs=[image, k], b=6)
    out = 12 - size + 1
    assert flops == 2 * 6 * out * out * 4 * size * size * 2


def test_programs_keep_what_was_counted() -> None:
    program = _build.program(classifier()._request("train"), "cpu")
    assert any(not isinstance(kernel.work.flops, int) for kernel in program.kernels)
    assert Program.loads(program.dumps()) == program


def test_a_profile_of_training() -> None:
    model = classifier()
    model.train_on_batch(X, T)
    before = {name: array.copy() for name, array in model._arrays.items()}
    profile = model.profile(X, T, batch_size=20)
    for name, array in model._arrays.items():
        np.testing.assert_array_equal(array, before[name])
    names = [kernel.name for kernel in model._programs["train"].program.kernels]
    assert [row.kernel for row in profile.rows] == names
    assert profile.sizes == {"batch": 20}
    assert 0 < profile.seconds < 0.1
    assert sum(row.share for row in profile.rows) <= 1 + 1e-9
    products = 2 * 20 * (2 * 16 * 8 + 3 * 8 * 3)
    assert products < profile.flops < 3 * products
    assert all(row.seconds > 0 and row.calls == 1 and row.where for row in profile.rows)
    first = next(row for row in profile.rows if "x W1" in row.formula)
    assert first.where is not None
    assert first.where.file.endswith("test_profile.py")
    assert first.flops_per_second == first.flops / first.seconds
    assert 0 < first.of_peak < 1.5


def test_a_profile_prints_and_is_a_table_in_a_notebook() -> None:
    profile = classifier().profile(X, what="predict")
    text, page = str(profile), profile._repr_html_()
    lines = text.splitlines()
    assert "batch 20" in lines[0]
    assert "GFLOP/s" in text
    assert max(map(len, lines)) <= 120
    for row in profile.rows:
        assert row.kernel in text
        assert html.escape(row.formula) in page
    assert page.count("<tr>") == 1 + len(profile.rows)
    assert repr(profile) == text


def test_loops_show_the_kernels_of_their_steps() -> None:
    model = cr.Sequential([cr.Input((7, 3)), cr.GRU(4), cr.Dense(1)], seed=0)
    model.compile("mse", "adam")
    profile = model.profile(np.ones((5, 7, 3)), np.ones((5, 1)))
    inside = [row for row in profile.rows if row.level]
    assert inside
    assert all(row.calls == 7 for row in inside)
    for place, row in enumerate(profile.rows):
        within = []
        for other in profile.rows[place + 1 :]:
            if other.level <= row.level:
                break
            within.append(other)
        assert sum(x.flops for x in within if x.level == row.level + 1) <= row.flops
        assert not within or within[0].level == row.level + 1
    assert profile.flops == sum(row.flops for row in profile.rows if not row.level)


def test_loops_in_loops_and_choices() -> None:
    a = cr.tensor("a", (4,))

    def inner(c: cr.Tensor, v: cr.Tensor) -> tuple[cr.Tensor, None]:
        doubled = cr.cond(cr.sum(c) > 0, lambda: cr.sin(c), lambda: c + 1)
        return doubled * v, None

    def outer(c: cr.Tensor, _: cr.Tensor) -> tuple[cr.Tensor, None]:
        found, _ = cr.scan(inner, c, a)
        return cr.cos(found), None

    result, _ = cr.scan(outer, a, cr.zeros((3,)))
    f = cr.function(a, result)
    profile = f.profile(np.ones(4, np.float32))
    assert {row.level for row in profile.rows} >= {0, 1, 2}
    assert {row.calls for row in profile.rows if row.level == 1} == {3}
    assert {row.calls for row in profile.rows if row.level == 2} <= {3, 12}


def test_a_function_is_profiled_as_it_is_called() -> None:
    f = cr.function([x, y], x @ y)
    profile = f.profile(np.ones((64, 64), np.float32), np.ones((64, 64), np.float32))
    assert isinstance(profile, Profile)
    assert profile.flops == 2 * 64**3
    with pytest.raises(UsageError, match="1 arrays"):
        f.profile(np.ones((64, 64), np.float32))


def test_other_targets_are_told() -> None:
    model = classifier("numpy")
    with pytest.raises(UsageError, match="target numpy") as error:
        model.profile(X, T)
    assert len(str(error.value).splitlines()) == 3
    with pytest.raises(UnknownNameError):
        classifier().profile(X, T, what="training")


def test_a_fault_is_told() -> None:
    f = cr.function([x, i], cr.take(x, i, axis=0))
    with pytest.raises(IndexOutOfRange):
        f.profile(np.ones((2, 2), np.float32), np.array([5], np.int32))


def test_the_text_stays_and_the_clock_is_in_the_code() -> None:
    program = _build.program(classifier()._request("train"), "cpu")
    plain = objects.translate(program, "file")
    clocked, sites = objects.translate_with_clock(program, "file")
    assert "clock_table" not in plain
    assert [kernel for _, kernel in sites] == [kernel.name for kernel in program.kernels]
    assert clocked.count("call i64 @clock_ticks") == 0
    assert clocked.count("atomicrmw add") == 2 * len(sites)


@pytest.mark.parametrize("cycles", [True, False])
def test_either_clock_counts_on(cycles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor's counter, and the system's clock where that may not be read."""
    monkeypatch.setattr(objects, "partial", lambda make, **_: partial(make, cycles=cycles))
    profile = cr.function([x, y], x @ y).profile(*[np.ones((128, 128), np.float32)] * 2)
    assert 0.5 < sum(row.share for row in profile.rows) <= 1 + 1e-9
    assert 1e-7 < profile.seconds < 0.1
