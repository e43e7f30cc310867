"""Target `numpy`: the generated module itself, called from Python."""

from __future__ import annotations

import contextlib
import traceback
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.compiler.errors import ChainruleError
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
        self._file = self._step.__code__.co_filename

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
        fit = self.fit(batch_size, arrays)
        self.check_order(fit, order, totals)
        self.check_batches(fit, first, last, len(order))
        data = self.in_order(arrays)
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

    def _fault(self, error: Exception) -> ChainruleError:
        """NumPy's error in our words, which belongs to the statement that raised it."""
        if isinstance(error, IndexError):
            kind, found = "index", str(error)
        else:
            kind, found = "not positive definite" if "definite" in str(error) else "singular", ""
        faults = [fault for fault in self.program.faults if fault.kind == kind]
        code, names = self.program.source.splitlines(), set()
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename == self._file and frame.lineno is not None:
                names.add(code[frame.lineno - 1].strip().partition(" = ")[0])
        return next((f for f in faults if f.result in names), faults[0]).error(found)

    def _unended(self, error: RuntimeError) -> Exception:
        """The error of a loop, which the module raises in the words of the fault, in our words."""
        found = [fault for fault in self.program.faults if fault.located == str(error)]
        return found[0].error() if found else error

    def _evaluate(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs as new arrays; new values are copied into parameters and state."""
        try:
            with np.errstate(all="ignore"), _quiet(arrays):
                results: Any = self._step(*arrays)
        except (IndexError, np.linalg.LinAlgError) as error:
            raise self._fault(error) from None
        except RuntimeError as error:
            raise self._unended(error) from None
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
