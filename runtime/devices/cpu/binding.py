"""Arguments of native code: a block of words that is packed once and kept from call to call."""

from __future__ import annotations

import ctypes
import math
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import ndarray

from chainrule.compiler.program import Buffer, Program

from ... import memory
from ...threads import get_num_threads
from ..base import Array
from .choice import Choice

SMALL = 16 * 1024  # bytes; copying so few costs less than asking an array for its address


def words(array: Array) -> tuple[int, ...]:
    """An array as an entry point takes it: its address and its sizes, one where it has no axes."""
    return (address(array), *(array.shape or (1,)))


def address(array: Any) -> int:
    """Where an array's elements begin."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (TypeError, ValueError):  # nobody can write to it, or there are none; this takes longer
        return int(array.ctypes.data)


def block(contents: Iterable[int]) -> Any:
    """The words of a call, in memory."""
    contents = tuple(contents)
    return (ctypes.c_int64 * len(contents))(*contents)


def empty(buffer: Buffer, sizes: Mapping[str, int]) -> Array:
    """Memory for an output, or, flat, for a scratch buffer."""
    shape = buffer.shape(sizes)
    if buffer.role == "scratch":
        return memory.empty((math.prod(shape),), buffer.type.dtype)
    return np.empty(shape, buffer.type.dtype)


# A reference to what is gone.
_NOTHING: Callable[[], Array | None] = weakref.ref(np.empty(0))


@dataclass(slots=True)
class _Given:
    """An array of the caller's: where its address goes, and what it must be.

    Attributes:
        word: the position in the block.
        dtype: the dtype it must have.
        shape: the shape it must have.
        updated: whether the program changes it in place.
        staged: for a small one that is only read, the array that it is copied to.
        current: gives the array whose own address is in the block, while there is one.
    """

    word: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    updated: bool
    staged: Array | None
    current: Callable[[], Array | None] = _NOTHING


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
    array, and of the caller's own, which are updated in place, the address is written into the
    block.

    Args:
        program: the program to call.
        sizes: its symbolic sizes.

    Attributes:
        sizes: as given.
        address: of the block.
        fault: what the call says is wrong.
        plain: whether there is nothing to be done before a call.
        choice: how many threads its calls take.
    """

    def __init__(self, program: Program, sizes: Mapping[str, int]) -> None:
        """Allocate scratch memory, small arrays and the block."""
        self.sizes = sizes
        given: list[_Given] = []
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
                given.append(_Given(len(contents), dtype, shape, updated, staged))
            contents += (0, *(shape or (1,))) if staged is None else words(staged)
        self.fault = (ctypes.c_int64 * 3)()
        self._block = block((*contents, ctypes.addressof(self.fault), 3))
        self.address = ctypes.addressof(self._block)
        self._given, self._passed = given, given
        self._own: tuple[Array, ...] = ()
        self._only = self._outputs[0].staged if len(self._outputs) == 1 else None
        self._large = [x for x in self._outputs if x.staged is None]
        self.choice = Choice(get_num_threads())
        self.plain = not self._large
        self._copies: list[Array] = []
        self._fresh: list[Array] = []

    def take(self, arrays: Sequence[Any], own: tuple[Array, ...] = ()) -> bool:
        """Point the block at these arrays; False if they are not what this binding is for.

        Args:
            arrays: the first of what the program is given.
            own: the others. A tuple that was taken before is not looked at again.
        """
        if own is not self._own and not self._owned(own):
            return False
        if len(arrays) != len(self._passed):
            return False
        place = 0  # every nanosecond counts here: zip takes a hundred
        for given in self._passed:
            array = arrays[place]
            place += 1
            if type(array) is not ndarray or array.shape != given.shape:
                return False  # a masked array too, which has to be looked at
            if array.dtype is not given.dtype and array.dtype != given.dtype:
                return False
            if given.staged is not None:
                given.staged[...] = array
            elif given.current() is not array and not self._point(given, array):
                return False
        return True

    def _owned(self, own: tuple[Array, ...]) -> bool:
        """Take the last of what the program is given, once for many calls."""
        for given in self._given:
            if given.staged is not None:
                self._block[given.word] = given.staged.ctypes.data
        passed = len(self._given) - len(own)
        self._own, self._passed = (), self._given
        if passed < 0:
            return False
        for given, array in zip(self._given[passed:], own, strict=True):
            if array.shape != given.shape or array.dtype != given.dtype:
                return False
            if not array.flags.carray or not self._point(given, array):
                return False
        self._own, self._passed = own, self._given[:passed]
        return True

    def _point(self, given: _Given, array: Array) -> bool:
        """Let the block point to an array itself, or to a copy where it lies otherwise."""
        flags = array.flags
        if given.updated:
            if not flags.carray:
                return False
        elif not (flags.c_contiguous and flags.aligned):
            array = np.array(array, order="C")
            self._copies.append(array)
        given.current = weakref.ref(array)
        self._block[given.word] = array.ctypes.data
        return True

    def ends(self) -> tuple[int, int]:
        """Where in memory the addresses of the first array given and of the first output stand."""
        first, last = self._given[0].word, self._outputs[0].word
        return self.address + 8 * first, self.address + 8 * last

    def renew(self) -> None:
        """New memory for the large outputs: those of the last call are the caller's."""
        for output in self._large:
            array = np.empty(output.shape, output.dtype)
            self._fresh.append(array)
            self._block[output.word] = array.ctypes.data

    def cleared(self) -> list[int]:
        """What the call says is wrong: its number, and an index and a size; nothing is any more."""
        found: list[int] = self.fault[:]
        self.fault[:] = [0, 0, 0]
        self._fresh = []
        return found

    def results(self) -> tuple[Array, ...]:
        """The outputs of the call, in order."""
        if self._copies:
            self._copies = []
        if self._only is not None:
            return (self._only.copy(),)
        fresh, self._fresh = iter(self._fresh), []
        return tuple(
            [
                next(fresh) if output.staged is None else output.staged.copy()
                for output in self._outputs
            ]
        )
