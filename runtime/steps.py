"""Single steps of training, at the least cost of a call."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from chainrule.compiler.errors import ChainruleError

from .chunks import Quantity
from .data import Slot
from .devices.base import Array, Executable
from .values import all_finite, plain


class Table:
    """An array of which a step changes the rows that inputs name, so that no others are looked at.

    Args:
        array: the table.
        inputs: where in a batch the inputs stand.
    """

    def __init__(self, array: Array, inputs: Sequence[int]) -> None:
        """Nothing is kept yet."""
        self._array, self._inputs = array, tuple(inputs)
        self._rows = self._kept = np.empty(0, np.intp)

    def keep(self, batch: Sequence[Array]) -> None:
        """Remember the rows that a batch names, and the first: it stands for rows that are not."""
        named = [np.zeros(1, np.intp)]
        for place in self._inputs:
            named.append(batch[place].ravel().clip(0, len(self._array) - 1).astype(np.intp))
        self._rows = np.concatenate(named)
        self._kept = self._array[self._rows]

    def back(self) -> None:
        """The rows as they were."""
        self._array[self._rows] = self._kept

    def finite(self) -> bool:
        """Whether the rows are finite."""
        return all_finite(self._array[self._rows])


class Steps:
    """Steps on batches that are like each other, each of which is taken back if it goes wrong.

    Args:
        program: the program of a training step.
        arrays: parameters, state and settings, changed in place and never replaced.
        quantities: what the program reports.
        params: names of those arrays that must stay finite.
        slots: what users give for a batch, inputs first.
        tables: for arrays of which a step changes a few rows, the inputs that name them.
    """

    def __init__(
        self,
        program: Executable,
        arrays: Mapping[str, Array],
        quantities: Sequence[Quantity],
        params: Collection[str],
        slots: Sequence[Slot],
        tables: Mapping[str, Sequence[str]],
    ) -> None:
        """Make room for what a step changes."""
        given = program.given
        self._inputs = [x.name for x in given if x.role == "input"]
        names = [slot.buffer.name for slot in slots]
        # One array and what it should give, which is nearly always so.
        self._is_pair = len(slots) == 2 and names == self._inputs
        self._classes = slots[-1].classes
        self._program, self._quantities = program, tuple(quantities)
        self._own = tuple(arrays[x.name] for x in given if x.role != "input")
        changed = [x.name for x in given if x.role in ("param", "state")]
        self._copies = [
            (arrays[name], np.empty_like(arrays[name])) for name in changed if name not in tables
        ]
        self._params = [arrays[name] for name in params if name not in tables]
        by_name = {
            name: Table(arrays[name], [self._inputs.index(x) for x in tables[name]])
            for name in changed
            if name in tables
        }
        self._tables = list(by_name.values())
        self._trained = [table for name, table in by_name.items() if name in params]
        self._numbers = [i for i, x in enumerate(program.outputs) if not x.type.shape]

    def again(self, x: object, y: object) -> dict[str, float] | None:
        """One step on a batch that is like the one before.

        Returns:
            Loss and metrics before the step; None if nothing was changed, because the batch is not
            like the one before, or because something is wrong with it or comes of it.
        """
        if not self._is_pair or not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
            return None
        if not all_finite(x) or not plain(y, self._classes):
            return None
        if self._tables and x.dtype.kind not in "iu":
            return None
        return self._taken((x, y), self._program.again)

    def take(self, batch: Mapping[str, Array]) -> dict[str, float] | None:
        """One step on a batch that the program takes.

        Args:
            batch: the arrays by buffer name.

        Returns:
            As `again`.
        """
        arrays = [batch[name] for name in self._inputs]
        return self._taken(arrays, lambda inputs, own: self._program.call(*inputs, *own))

    def _taken(
        self, batch: Sequence[Array], call: Callable[..., tuple[Array, ...] | None]
    ) -> dict[str, float] | None:
        for array, copy in self._copies:
            copy[...] = array
        for table in self._tables:
            table.keep(batch)
        try:
            outputs = call(batch, self._own)
            if outputs is None:
                return None
            values = [outputs[place].item() for place in self._numbers]
            if math.isfinite(values[0]) and self._finite():
                rows = len(batch[0])
                return {
                    quantity.name: quantity.value(rows * value, rows)
                    for quantity, value in zip(self._quantities, values, strict=True)
                }
        except ChainruleError:
            pass  # who called looks closer
        except BaseException:
            self._back()
            raise
        self._back()
        return None

    def _finite(self) -> bool:
        return all(map(all_finite, self._params)) and all(x.finite() for x in self._trained)

    def _back(self) -> None:
        for array, copy in self._copies:
            array[...] = copy
        for table in self._tables:
            table.back()
