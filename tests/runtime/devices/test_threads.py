"""BLAS gets one thread in a call, unless a product is large; what it had before it gets back."""

from __future__ import annotations

from typing import Any

import pytest

from chainrule.compiler.program import Program
from chainrule.compiler.types import symbol
from chainrule.runtime.devices.cpu import threads


class FakeBlas:
    def __init__(self) -> None:
        self.threads = 4

    def scipy_openblas_get_num_threads(self) -> int:
        return self.threads

    def scipy_openblas_set_num_threads(self, count: int) -> None:
        self.threads = count


def test_the_threads_come_back_even_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    blas = FakeBlas()
    monkeypatch.setattr(threads, "_openblas", lambda: blas)
    seen = []

    def interrupted() -> None:
        with threads.one_thread():
            seen.append(blas.threads)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [*seen, blas.threads] == [1, 4]


def test_the_blas_of_scipy_is_found_in_its_wheels() -> None:
    library = threads._openblas()
    assert library is None or library.scipy_openblas_get_num_threads() >= 1


@pytest.mark.parametrize(("batch", "better"), [(1, None), (64, threads.one_thread), (2**16, None)])
def test_products_of_some_size_are_better_off_with_one_thread(batch: int, better: Any) -> None:
    sizes = (symbol("batch"), 64, 32)
    program = Program(
        "p", "cpu", "", (), (), ("batch",), None, (), (), "0", products=((1, 1, 1), sizes)
    )
    assert threads.one_if_better(program, {"batch": batch}) is better
    assert Program.loads(program.dumps()) == program
