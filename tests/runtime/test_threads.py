"""How many threads programs may use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import doctor
from chainrule.compiler.errors import UsageError
from chainrule.runtime import threads


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nobody had asked for a number."""
    monkeypatch.delenv(threads.VARIABLE, raising=False)
    monkeypatch.setattr(threads, "_chosen", 0)
    monkeypatch.setattr(threads, "known", threads.known)


def test_the_number_is_that_of_the_cores_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    own = threads.cores()
    assert cr.get_num_threads() == min(own, threads.MOST) == threads.known
    monkeypatch.setenv(threads.VARIABLE, "3")
    assert cr.get_num_threads() == threads.known == 3
    assert doctor.threads().startswith(f"3 of programs at most, on {own} of ")
    cr.set_num_threads(7)
    assert cr.get_num_threads() == threads.known == 7
    assert doctor.threads().startswith("7 of programs")
    cr.set_num_threads(np.int64(2))  # type: ignore[arg-type]
    assert type(cr.get_num_threads()) is int


@pytest.mark.parametrize("wrong", [0, -1, 257, 1.0, True, "2", None])
def test_a_number_that_is_none(wrong: Any) -> None:
    with pytest.raises(UsageError, match="the number of threads cannot be") as error:
        cr.set_num_threads(wrong)
    assert f"expected n from 1 to 256, came {wrong!r}" in str(error.value)


@pytest.mark.parametrize("wrong", ["0", "many", "-3", "1.5", "1000"])
def test_an_environment_that_is_wrong(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.VARIABLE, wrong)
    with pytest.raises(UsageError, match="the number of threads cannot be") as error:
        cr.get_num_threads()
    assert f"expected CHAINRULE_NUM_THREADS from 1 to 256, came '{wrong}'" in str(error.value)
    assert doctor.threads() == f"the number of threads cannot be '{wrong}'"
