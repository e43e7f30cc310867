"""Target `numpy`: the generated module itself, called from Python."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.compiler.errors import ChainruleError, IndexOutOfRange
from chainrule.compiler.program import Program

from ..cache import Cache
from .base import Array, Executable, is_batched
from .generated import import_program


def _quiet(arrays: Sequence[Array]) -> contextlib.AbstractContextManager[object]:
    """No warning that the mean of nothing is NaN; filters are global, so only where need be."""
    if all(array.size for array in arrays):
        return contextlib.nullcontext()
    return warnings.catch_warnings(action="ignore", category=RuntimeWarning)


class ReferenceExecutable(Executable):
    """A NumPy module: each call evaluates it statement by statement.

    Args:
        program: a program of target `numpy`.
        cache: where its source is.
    """

    def __init__(self, program: Program, cache: Cache) -> None:
        """Import the module."""
        super().__init__(program)
        self._step = import_program(program, cache).step

    def call(self, *arrays: Array) -> tuple[Array, ...]:
        """One step; see `Executable.call`."""
        self.bind(arrays)
        return self._evaluate(arrays)

    def epoch(
        self,
        first: int,
        last: int,
        batch_size: int,
        order: Array,
        arrays: Mapping[str, Array],
        totals: Array,
    ) -> int:
        """Many batches; see `Executable.epoch`."""
        data = self.in_order(arrays)
        self.bind_epoch(first, last, batch_size, order, data, totals)
        batched = [is_batched(buffer, self.program) for buffer in self.given]
        scalars = [i for i, buffer in enumerate(self.outputs) if not buffer.type.shape]
        for k in range(first, last):
            rows = order[k * batch_size : (k + 1) * batch_size]
            outputs = self._evaluate(
                [
                    array[rows] if sliced else array
                    for array, sliced in zip(data, batched, strict=True)
                ]
            )
            if not np.all(np.isfinite(outputs[0])):
                return k - first
            for position, i in enumerate(scalars):
                totals[position] += len(rows) * float(outputs[i])
        return last - first

    def _out_of_range(self, error: IndexError) -> IndexOutOfRange:
        """NumPy's error in our words; which index it was can be told where there is only one."""
        hint = "the index is in an array that was passed; indices count from 0"
        faults = [fault for fault in self.program.faults if fault.kind == "index"]
        if len(faults) == 1:
            return IndexOutOfRange(faults[0].what, str(error), hint, faults[0].where)
        return IndexOutOfRange(f"{self.program.name}: an index is out of range", str(error), hint)

    def _unfit(self, error: np.linalg.LinAlgError) -> ChainruleError:
        """NumPy's error in our words; which matrix it was can be told where there is only one."""
        kind = "not positive definite" if "definite" in str(error) else "singular"
        faults = [fault for fault in self.program.faults if fault.kind == kind]
        return (faults[0] if len(faults) == 1 else replace(faults[0], where=None)).error()

    def _evaluate(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs as new arrays; new values are copied into parameters and state."""
        try:
            with np.errstate(all="ignore"), _quiet(arrays):
                results: Any = self._step(*arrays)
        except IndexError as error:
            raise self._out_of_range(error) from None
        except np.linalg.LinAlgError as error:
            raise self._unfit(error) from None
        count = len(self.outputs)
        # Everything is copied before anything is written: a result may be a view of a parameter.
        values = [np.array(value) for value in results]
        updated = [
            array
            for buffer, array in zip(self.given, arrays, strict=True)
            if buffer.role in ("param", "state")
        ]
        for array, new in zip(updated, values[count:], strict=True):
            array[...] = new
        return tuple(values[:count])
