"""SciPy's OpenBLAS gets one thread in a program, and afterwards what it had before."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.runtime.devices.cpu import openblas


class FakeBlas:
    def __init__(self) -> None:
        self.threads = 4

    def scipy_openblas_get_num_threads(self) -> int:
        return self.threads

    def scipy_openblas_set_num_threads(self, count: int) -> None:
        self.threads = count


def test_the_threads_come_back_even_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    blas = FakeBlas()
    monkeypatch.setattr(openblas, "_openblas", lambda: blas)
    seen = []

    def interrupted() -> None:
        with openblas.one_thread():
            seen.append(blas.threads)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [*seen, blas.threads] == [1, 4]


def test_the_last_of_several_calls_gives_the_threads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    blas = FakeBlas()
    monkeypatch.setattr(openblas, "_openblas", lambda: blas)
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(openblas.one_thread())
        second.enter_context(openblas.one_thread())
        first.close()
        assert blas.threads == 1
    assert blas.threads == 4


def test_profiles_are_taken_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    blas = FakeBlas()
    monkeypatch.setattr(openblas, "_openblas", lambda: blas)
    monkeypatch.setattr(blas, "scipy_openblas_set_num_threads", seen.append, raising=True)
    x = cr.tensor("x", (3, 3), "float64")
    cr.function([x], [cr.linalg.cholesky(x)]).profile(np.eye(3))
    assert seen == [1, 4]


def test_the_blas_of_scipy_is_found_in_its_wheels() -> None:
    library = openblas._openblas()
    assert library is None or library.scipy_openblas_get_num_threads() >= 1


def test_programs_that_factor_run_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    blas = FakeBlas()
    monkeypatch.setattr(openblas, "_openblas", lambda: blas)
    monkeypatch.setattr(blas, "scipy_openblas_set_num_threads", seen.append, raising=True)
    x = cr.tensor("x", (3, 3), "float64")
    given: Any = np.eye(3)
    for result, calls in ((x @ x, []), (cr.linalg.cholesky(x), [1, 4])):
        function = cr.function([x], [result])
        function(given)
        seen.clear()
        function(given)
        assert seen == calls
