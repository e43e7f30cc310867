"""Arguments of native code: a block of words that is packed once and kept from call to call."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.compiler.program import Buffer, Program

from ..base import Array
from .threads import is_large

SMALL = 16 * 1024  # bytes; copying so few costs less than asking an array for its address


def words(array: Array) -> tuple[int, ...]:
    """An array as an entry point takes it: its address and its sizes, one where it has no axes."""
    return (array.ctypes.data, *(array.shape or (1,)))


def block(contents: Iterable[int]) -> Any:
    """The words of a call, in memory."""
    contents = tuple(contents)
    return (ctypes.c_int64 * len(contents))(*contents)


def empty(buffer: Buffer, sizes: Mapping[str, int]) -> Array:
    """Memory for an output, or, flat, for a scratch buffer."""
    shape = buffer.shape(sizes)
    return np.empty((math.prod(shape),) if buffer.role == "scratch" else shape, buffer.type.dtype)


@dataclass(slots=True)
class _Given:
    """An array of the caller's: where its address goes, and what it must be.

    Attributes:
        word: the position in the block.
        dtype: the dtype it must have.
        shape: the shape it must have.
        updated: whether the program changes it in place.
        staged: for a small one that is only read, the array that it is copied to.
        current: the array whose address is in the block, if it is kept alive for that.
    """

    word: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    updated: bool
    staged: Array | None
    current: Array | None = None


@dataclass(slots=True)
class _Output:
    """An output: where its address goes, and for a small one the array that it is written to."""

    word: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    staged: Array | None


class Binding:
    """The arguments of `step` for one choice of sizes.

    Small inputs are copied to where the block points, and small outputs from there. Of a large
    array, and of one that is updated in place, the address is written into the block.

    Args:
        program: the program to call.
        sizes: its symbolic sizes.
    """

    def __init__(self, program: Program, sizes: Mapping[str, int]) -> None:
        """Allocate scratch memory, small arrays and the block."""
        self.fault: Array = np.zeros(3, np.int64)
        self._given: list[_Given] = []
        self._outputs: list[_Output] = []
        self._scratch: list[Array] = []
        contents = [sizes[name] for name in program.sizes]
        for buffer in program.buffers:
            if buffer.role == "scratch":
                self._scratch.append(empty(buffer, sizes))
                contents += words(self._scratch[-1])
                continue
            dtype, shape = np.dtype(buffer.type.dtype), buffer.shape(sizes)
            updated = buffer.role in ("param", "state")
            small = not updated and math.prod(shape) * dtype.itemsize <= SMALL
            staged = np.empty(shape, dtype) if small else None
            if buffer.role == "output":
                self._outputs.append(_Output(len(contents), dtype, shape, staged))
            else:
                self._given.append(_Given(len(contents), dtype, shape, updated, staged))
            contents += (0, *(shape or (1,))) if staged is None else words(staged)
        self._block = block((*contents, *words(self.fault)))
        self.address = ctypes.addressof(self._block)
        self.large = is_large(program, sizes)

    def take(self, arrays: Sequence[Array]) -> bool:
        """Point the block at these arrays; False if they are not what this binding is for."""
        if len(arrays) != len(self._given):
            return False
        self._copies = []
        for given, array in zip(self._given, arrays, strict=True):
            if not isinstance(array, np.ndarray) or array.shape != given.shape:
                return False
            if array.dtype != given.dtype:
                return False
            if given.staged is not None:
                given.staged[...] = array
            elif array is not given.current:
                flags = array.flags
                if given.updated:
                    if not flags.carray:
                        return False
                    given.current = array
                elif not (flags.c_contiguous and flags.aligned):
                    array = np.array(array, order="C")
                    self._copies.append(array)
                self._block[given.word] = array.ctypes.data
        return True

    def renew(self) -> None:
        """New memory for the large outputs: those of the last call are the caller's."""
        self._fresh: list[Array] = []
        for output in self._outputs:
            if output.staged is None:
                array = np.empty(output.shape, output.dtype)
                self._fresh.append(array)
                self._block[output.word] = array.ctypes.data

    def results(self) -> tuple[Array, ...]:
        """The outputs of the call, in order."""
        fresh = iter(self._fresh)
        self._fresh = []
        self._copies = []
        return tuple(
            [
                next(fresh) if output.staged is None else output.staged.copy()
                for output in self._outputs
            ]
        )
