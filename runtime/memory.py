"""Memory for arrays that programs work on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .devices.base import Array

LINE = 64  # bytes of a cache line, and of the widest vectors


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array without values that begins at a cache line, so that no vector of it lies in two.

    Args:
        shape: its shape.
        dtype: its dtype.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    array: Array = room[start : start + size].view(dtype).reshape(shape)
    return array


def filled(values: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    """Such an array with these values."""
    array = empty(shape, dtype)
    array[...] = values
    return array
