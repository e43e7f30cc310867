"""Arguments of `epoch`: a block of words of which only those are written that change."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Mapping, Sequence

from chainrule.compiler.errors import UsageError
from chainrule.compiler.program import Program

from ..base import Array, Fit, Fixed, shown
from .binding import block, empty, words

# Where words stand: the batches, their size, the order and its length; sizes and totals follow.
BATCH_SIZE, ORDER, SIZES = 2, 3, 5


def _nothing() -> None:
    """What a reference gives when there is nothing."""


class EpochArguments:
    """The arguments of `epoch` for one choice of sizes.

    Args:
        program: the program to call.
        key: its symbolic sizes, in order.
        fit: what is known of the arrays.

    Attributes:
        address: of the block.
        key: as given.
        fit: what is known of the arrays that the block points to.
    """

    def __init__(self, program: Program, key: tuple[int, ...], fit: Fit) -> None:
        """Allocate memory for outputs and scratch, and the block."""
        self.key, self.fit, self._program = key, fit, program
        self._own: list[Array] = []
        self._words: list[int] = []  # where in the block the caller's arrays go
        self._sums = SIZES + len(key)
        contents = [0] * SIZES + [*key, 0, 1]
        for buffer in program.buffers:
            if buffer.role in ("output", "scratch"):
                self._own.append(empty(buffer, fit.sizes))
                contents += words(self._own[-1])
            else:
                self._words.append(len(contents))
                contents += [0] * (1 + max(1, buffer.type.ndim))
        self._fault = (ctypes.c_int64 * 3)()
        self._block = block((*contents, ctypes.addressof(self._fault), 3))
        self.address = ctypes.addressof(self._block)
        self._arrays: Callable[[], object] = _nothing
        self._order: Callable[[], object] = _nothing
        self._totals: Callable[[], object] = _nothing

    def has(self, arrays: Mapping[str, Array], batch_size: int) -> bool:
        """Whether the block points to these arrays, and none of them can have been exchanged."""
        return self._arrays() is arrays and self.fit.batch_size == batch_size

    def take(self, arrays: Mapping[str, Array], given: Sequence[Array], fit: Fit) -> None:
        """Point the block at these arrays.

        Args:
            arrays: the caller's arrays, by name.
            given: those of them that the program is given, in its order.
            fit: what is known of them.
        """
        self._arrays = self._order = _nothing
        for buffer, array, word in zip(
            self._program.of("input", "setting", "param", "state"), given, self._words, strict=True
        ):
            if not (array.flags.c_contiguous and array.flags.aligned):
                raise UsageError(
                    f"{self._program.name}: {buffer.name} is not contiguous",
                    f"came as {shown(array)} with strides {array.strides}",
                    f"pass a copy: numpy.ascontiguousarray({buffer.name})",
                )
            told = words(array)
            self._block[word : word + len(told)] = told
        self._block[BATCH_SIZE], self.fit = fit.batch_size, fit
        if isinstance(arrays, Fixed):
            self._arrays = weakref.ref(arrays)

    def follows(self, order: Array, totals: Array) -> bool:
        """Whether the block points to these two, and the order can only be as it was."""
        return self._order() is order and self._totals() is totals

    def follow(self, order: Array, totals: Array) -> None:
        """Point the block at the rows in their order, and at what the outputs are added to."""
        self._block[ORDER:SIZES] = words(order)
        self._block[self._sums : self._sums + 2] = words(totals)
        self._order = _nothing if order.flags.writeable else weakref.ref(order)
        self._totals = weakref.ref(totals)

    def between(self, first: int, last: int) -> None:
        """The batches of the next call."""
        self._block[0], self._block[1] = first, last

    def cleared(self) -> list[int]:
        """What the call says is wrong: its number, and an index and a size; nothing is any more."""
        found: list[int] = self._fault[:]
        self._fault[:] = [0, 0, 0]
        return found
