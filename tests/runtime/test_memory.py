"""Arrays that begin at a cache line."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.runtime.devices.cpu.binding import address
from chainrule.runtime.memory import LINE, empty, filled


@pytest.mark.parametrize("shape", [(), (0,), (3,), (5, 7), (1000, 1000)])
@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "float32", "float64"])
def test_it_begins_at_a_line(shape: tuple[int, ...], dtype: str) -> None:
    array = empty(shape, dtype)
    assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
    assert array.ctypes.data % LINE == 0 or array.size == 0
    assert array.flags.carray
    assert (filled(1, shape, dtype) == 1).all()


def test_parameters_begin_at_a_line_and_so_does_what_the_optimizer_keeps() -> None:
    model = cr.Sequential([cr.Input((5,)), cr.Dense(7), cr.Dense(3)])
    model.compile("mse", cr.Adam())
    model.fit(np.ones((4, 5)), np.ones((4, 3)), verbose=0)
    arrays = [*model.parameters.values(), *model._arrays.values()]
    assert len(arrays) > 12
    assert {array.ctypes.data % LINE for array in arrays} == {0}


@pytest.mark.parametrize("values", [0, 0.0, -0.0, 2, np.zeros(4), np.arange(4.0)])
def test_it_has_the_values(values: object) -> None:
    array = filled(values, (4,), "float32")
    np.testing.assert_array_equal(array, np.full(4, values, "float32"))
    np.testing.assert_array_equal(np.signbit(array), np.signbit(np.full(4, values)))


def test_where_elements_begin() -> None:
    frozen = np.arange(3)
    frozen.flags.writeable = False
    apart = np.arange(10)[2::2]
    for array in (np.arange(5)[1:], np.array(1.0), np.empty((0, 3)), frozen, apart):
        assert address(array) == array.ctypes.data
