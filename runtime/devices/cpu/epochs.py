"""Arguments of `epoch`: a block of words of which only those are written that change."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Mapping, Sequence

from chainrule.compiler.errors import UsageError
from chainrule.compiler.program import Program

from ..base import Array, shown
from .binding import block, empty, words

# Where words stand: the batches, their size, the order and its length; sizes and totals follow.
BATCH_SIZE, ORDER, SIZES = 2, 3, 5


class EpochArguments:
    """The arguments of `epoch` for one choice of sizes.

    Args:
        program: the program to call.
        key: its symbolic sizes, in order.
        sizes: the same by name.

    Attributes:
        address: of the block.
        key: as given.
    """

    def __init__(self, program: Program, key: tuple[int, ...], sizes: Mapping[str, int]) -> None:
        """Allocate memory for outputs and scratch, and the block."""
        self.key, self._program = key, program
        self._own: list[Array] = []
        self._words: list[int] = []  # where in the block the caller's arrays go
        self._totals = SIZES + len(key)
        contents = [0] * SIZES + [*key, 0, 1]
        for buffer in program.buffers:
            if buffer.role in ("output", "scratch"):
                self._own.append(empty(buffer, sizes))
                contents += words(self._own[-1])
            else:
                self._words.append(len(contents))
                contents += [0] * (1 + max(1, buffer.type.ndim))
        self._fault = (ctypes.c_int64 * 3)()
        self._block = block((*contents, ctypes.addressof(self._fault), 3))
        self.address = ctypes.addressof(self._block)
        self._sizes: Mapping[str, int] | None = None
        self._given: list[Callable[[], Array | None]] = []

    def take(
        self,
        given: Sequence[Array],
        sizes: Mapping[str, int],
        batch_size: int,
        order: Array,
        totals: Array,
    ) -> None:
        """Point the block at these arrays, unless they are those of the call before.

        Args:
            given: the caller's arrays, in the program's order.
            sizes: what `bind_epoch` gave for them: the same dictionary for the same layouts.
            batch_size: rows of a batch.
            order: the rows.
            totals: what the outputs are added to.
        """
        packed = self._block
        packed[BATCH_SIZE] = batch_size
        packed[ORDER:SIZES] = words(order)
        packed[self._totals : self._totals + 2] = words(totals)
        if self._sizes is sizes:
            for current, array in zip(self._given, given, strict=True):
                if current() is not array:
                    break
            else:
                return
        self._sizes = None
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
            packed[word : word + len(told)] = told
        self._given = [weakref.ref(array) for array in given]
        self._sizes = sizes

    def between(self, first: int, last: int) -> None:
        """The batches of the next call."""
        self._block[0], self._block[1] = first, last

    def cleared(self) -> list[int]:
        """What the call says is wrong: its number, and an index and a size; nothing is any more."""
        found: list[int] = self._fault[:]
        self._fault[:] = [0, 0, 0]
        return found
