"""What every device offers: a program that can be called, one step or many batches at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from chainrule.compiler.errors import (
    ChainruleError,
    DTypeError,
    IndexOutOfRange,
    ShapeError,
    UsageError,
    position,
)
from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.types import SHORT, Size, TensorType, symbols, value

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Sizes: TypeAlias = Mapping[str, int]


class Fixed(dict[str, Array]):
    """Arrays by name of which none is exchanged or gets another shape: a look at them is enough."""

    __slots__ = ("__weakref__",)


class Executable(ABC):
    """A program on a device.

    Args:
        program: what to run.
    """

    def __init__(self, program: Program) -> None:
        """Remember which buffers are given by the caller, in order."""
        self.program = program
        self.given = program.of("input", "setting", "param", "state")
        self.outputs = program.of("output")
        self._scalars = sum(not buffer.type.shape for buffer in self.outputs)
        self._fitted: Fit | None = None

    @abstractmethod
    def call(self, *arrays: Array) -> tuple[Array, ...]:
        """One step, on inputs, settings, parameters and state in the program's order.

        Parameters and state are changed in place; nothing else is.

        Returns:
            The outputs, in order, as new arrays.

        Raises:
            ShapeError, DTypeError, UsageError: arrays that the program does not take.
            IndexOutOfRange: an index that lies outside its axis.
            MatrixError: a matrix that is singular, or not positive definite.
            LoopError: a loop that still goes on after the most steps that it may take.
        """

    def again(
        self, arrays: Sequence[Array], own: tuple[Array, ...] = ()
    ) -> tuple[Array, ...] | None:
        """What `call` gives, where it is called for arrays like those before and costs the least.

        Args:
            arrays: the first of the arrays of a call; anything may be among them.
            own: the others, the caller's own, which are changed in place but never replaced.

        Returns:
            The outputs, as new arrays; None if the device would have to look closer: nothing has
            been run then, and `call` does it.
        """
        return None

    def direct(self, own: tuple[Array, ...]) -> Callable[[object], Array | None] | None:
        """What `again` does for one array, of the form that it had in the last call.

        Args:
            own: the arrays behind it. The program must leave them as they are.

        Returns:
            A function of the array, which gives the one output, or None where `again` has to look;
            None if the device has no such function, or the program is not so.
        """
        return None

    @abstractmethod
    def epoch(
        self,
        first: int,
        last: int,
        batch_size: int,
        order: Array,
        arrays: Mapping[str, Array],
        totals: Array,
    ) -> int:
        """The batches `first ... last - 1`; batch k is `order[k*batch_size : (k+1)*batch_size]`.

        Args:
            first: the first batch.
            last: one more than the last batch.
            batch_size: rows of a batch; the data's last batch has what is left.
            order: int64 of shape `(n,)`, the rows of the data in the order of this epoch. One that
                nobody can write to is looked at once.
            arrays: by name; batched inputs are the whole data, of shape `(rows, ...)`. `Fixed` ones
                are looked at once.
            totals: float64, an element for each output of no axes: `rows * output` is added to it.

        Returns:
            How many batches were done. It is fewer than asked for where the first output became
            NaN or infinite; that batch is not counted in `totals`.
        """

    def run(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """One step on arrays by name; see `call`."""
        outputs = self.call(*self.in_order(arrays))
        return {buffer.name: array for buffer, array in zip(self.outputs, outputs, strict=True)}

    def in_order(self, arrays: Mapping[str, Array]) -> tuple[Array, ...]:
        """The arrays of the buffers that the caller gives."""
        missing = [buffer.name for buffer in self.given if buffer.name not in arrays]
        if missing:
            raise UsageError(
                f"{self.program.name}: {missing[0]} is missing",
                f"expected {', '.join(buffer.name for buffer in self.given)}; "
                f"came {', '.join(arrays) or 'nothing'}",
                "give an array for each",
            )
        return tuple(arrays[buffer.name] for buffer in self.given)

    def bind(self, arrays: Sequence[Array], fixed: Sizes = MappingProxyType({})) -> dict[str, int]:
        """Check the arrays against the buffers' types, and read the symbolic sizes off them.

        Args:
            arrays: one for each buffer that the caller gives.
            fixed: sizes that are known already; the first axis of a batched input is then any.
        """
        return bind(self.program, self.given, arrays, fixed)

    def fit(self, batch_size: int, arrays: Mapping[str, Array]) -> Fit:
        """Check the arrays of an epoch, and find the sizes for a batch of full size.

        As long as arrays look the same, what is found is the same object.
        """
        program, batch = self.program, self.program.batch
        if batch is None:
            raise UsageError(
                f"{program.name}: the program has no batches",
                "no input has a first axis of a size named batch",
                "call it as it is",
            )
        data = self.in_order(arrays)
        layouts = tuple(
            [(x.shape, x.dtype, x.flags.carray) for x in data if isinstance(x, np.ndarray)]
        )
        found = self._fitted
        if found is not None and (found.batch_size, found.layouts) == (batch_size, layouts):
            return found
        sizes = self.bind(data, {batch: max(batch_size, 1)})
        lengths = {
            buffer.name: len(array)
            for buffer, array in zip(self.given, data, strict=True)
            if is_batched(buffer, program)
        }
        if len(set(lengths.values())) > 1:
            raise ShapeError(
                f"{program.name}: the data differ in the number of rows",
                ", ".join(f"{name} has {length}" for name, length in lengths.items()),
                "each row of one array belongs to the same row of the others",
            )
        self._fitted = Fit(batch_size, layouts, sizes, lengths)
        return self._fitted

    def check_order(self, fit: Fit, order: Array, totals: Array) -> None:
        """Check that the order names rows of the data, and there is a total for each output."""
        program = self.program
        _check_vector(program, "order", order, "int64", "rows")
        _check_vector(program, "totals", totals, "float64", self._scalars)
        if order.size and fit.lengths:
            name, length = next(iter(fit.lengths.items()))
            if not 0 <= order.min() <= order.max() < length:
                raise IndexOutOfRange(
                    f"{program.name}: order names rows that the data do not have",
                    f"{order.min()} to {order.max()}; {name} has {length} rows",
                    "rows count from 0",
                )

    def check_batches(self, fit: Fit, first: int, last: int, rows: int) -> None:
        """Check that so many rows have these batches, and that the last is not too small."""
        size = fit.batch_size
        if size < 1 or not 0 <= first <= last <= -(-rows // size):
            raise UsageError(
                f"{self.program.name}: there are no such batches",
                f"{first} to {last} of batch size {size} in {rows} rows",
                "batches count from 0; the last may be smaller",
            )
        if last * size > rows:
            check_bounds(self.program, {**fit.sizes, str(self.program.batch): rows % size})

    def fault(self, code: int, index: int, size: int) -> ChainruleError:
        """The error that a kernel reported by its number; an index with the size of its axis."""
        fault = self.program.faults[code - 1]
        return fault.error(position(index, size) if fault.kind == "index" else "")


@dataclass(frozen=True, slots=True)
class Fit:
    """What was found out about arrays of an epoch: others of the same layouts fit as well.

    Attributes:
        batch_size: rows of a batch.
        layouts: of each array the shape and dtype, and whether it may be updated where it is.
        sizes: the symbolic sizes.
        lengths: the rows of each batched input.
    """

    batch_size: int
    layouts: tuple[tuple[tuple[int, ...], np.dtype[Any], bool], ...]
    sizes: dict[str, int]
    lengths: dict[str, int]


def is_batched(buffer: Buffer, program: Program) -> bool:
    """Whether the buffer is an input with a row for each sample."""
    if buffer.role != "input" or not buffer.type.shape or program.batch is None:
        return False
    return symbol_name(buffer.type.shape[0]) == program.batch


def symbol_name(dim: int | Size) -> str | None:
    """The name of a size that is one symbol by itself."""
    if isinstance(dim, Size) and len(dim.terms) == 1:
        atoms, factor = dim.terms[0]
        if factor == 1 and len(atoms) == 1 and isinstance(atoms[0], str):
            return atoms[0]
    return None


def bind(
    program: Program, buffers: Sequence[Buffer], arrays: Sequence[Array], fixed: Sizes
) -> dict[str, int]:
    """The symbolic sizes of a call: plain symbols first, then the others, then all is checked."""
    if len(buffers) != len(arrays):
        raise UsageError(
            f"{program.name}: {len(arrays)} arrays given",
            f"expected {len(buffers)}: {', '.join(buffer.name for buffer in buffers)}",
            "one for each, in order",
        )
    sizes = dict(fixed)
    first: dict[str, Buffer] = {}
    for buffer, array in zip(buffers, arrays, strict=True):
        _check_kind(program, buffer, array)
        for dim, size in zip(buffer.type.shape, array.shape, strict=True):
            name = symbol_name(dim)
            if name is not None and name not in sizes:
                sizes[name], first[name] = size, buffer
    for buffer, array in zip(buffers, arrays, strict=True):
        for dim, size in zip(buffer.type.shape, array.shape, strict=True):
            if isinstance(dim, Size):
                _solve(dim, size, sizes)
    for buffer, array in zip(buffers, arrays, strict=True):
        shape = buffer.type.shape
        unknown = symbols(shape) - sizes.keys()
        if unknown:
            raise UsageError(
                f"{program.name}: the size {min(unknown)} cannot be told from the arrays",
                f"{buffer.name} is {buffer.type}",
                "a size is read off an axis that has it alone",
            )
        skip = 1 if fixed and is_batched(buffer, program) else 0
        for dim, size in list(zip(shape, array.shape, strict=True))[skip:]:
            if value(dim, sizes) != size:
                raise _misfit(program, buffer, array, sizes, first)
    check_bounds(program, sizes)
    return sizes


def check_bounds(program: Program, sizes: Sizes) -> None:
    """Check that no size which the program needs is negative."""
    for bound in program.bounds:
        bound.check(sizes)


def _check_vector(program: Program, name: str, array: Array, dtype: str, size: int | str) -> None:
    """A contiguous array of one axis, of a size that is given or any."""
    flags = array.flags
    fits = array.dtype == dtype and array.ndim == 1 and flags.c_contiguous and flags.aligned
    if name == "totals" and not flags.writeable:
        fits = False
    if not fits or (isinstance(size, int) and len(array) != size):
        raise UsageError(
            f"{program.name}: {name} does not fit",
            f"expected a contiguous {SHORT[dtype]}[{size}], came {shown(array)}",
            f'numpy.ascontiguousarray(x, "{dtype}") makes one',
        )


def _check_kind(program: Program, buffer: Buffer, array: Array) -> None:
    """An array of the right dtype and number of axes, writable where it is updated in place."""
    if not isinstance(array, np.ndarray) or array.dtype != buffer.type.dtype:
        raise DTypeError(
            f"{program.name}: {buffer.name} has the wrong dtype",
            _expected(buffer.type, array),
            f'convert with .astype("{buffer.type.dtype}")',
        )
    if array.ndim != buffer.type.ndim:
        raise ShapeError(
            f"{program.name}: {buffer.name} has the wrong number of axes",
            _expected(buffer.type, array),
            "reshape the array; an axis of size 1 is x[None] or x[..., None]",
        )
    if buffer.role in ("param", "state") and not array.flags.carray:
        raise UsageError(
            f"{program.name}: {buffer.name} cannot be updated in place",
            f"expected {buffer.type} writable and C-contiguous, came "
            f"{shown(array)} {'with strides' if array.flags.writeable else 'read-only, strides'} "
            f"{array.strides}",
            f"pass a copy: numpy.array({buffer.name}, order='C')",
        )


def _solve(dim: Size, size: int, sizes: dict[str, int]) -> None:
    """Where one symbol of a linear size is unknown, such as `n` in `2*n + 1`, find it."""
    unknown = dim.symbols() - sizes.keys()
    if len(unknown) != 1:
        return
    (name,) = unknown
    at_zero = value(dim, {**sizes, name: 0})
    slope = value(dim, {**sizes, name: 1}) - at_zero
    if slope and (size - at_zero) % slope == 0:
        sizes[name] = (size - at_zero) // slope


def _misfit(
    program: Program, buffer: Buffer, array: Array, sizes: Sizes, first: Mapping[str, Buffer]
) -> ShapeError:
    """The error for a shape that does not fit, and where its symbols got their sizes."""
    hints = [
        f"{name} is {sizes[name]}, from {first[name].name}"
        for name in sorted(symbols(buffer.type.shape))
        if name in first and first[name] is not buffer
    ]
    return ShapeError(
        f"{program.name}: {buffer.name} has the wrong shape",
        _expected(buffer.type, array),
        "; ".join(hints) or "sizes that are numbers are fixed; one with a name may be any",
    )


def _expected(kind: TensorType, array: Any) -> str:
    return f"expected {kind}, came {shown(array)}"


def shown(array: Any) -> str:
    """The type of an array as it is printed in messages: `f32[4, 2]`."""
    if not isinstance(array, np.ndarray):
        return type(array).__name__
    name = str(array.dtype)
    return f"{SHORT.get(name, name)}[{', '.join(map(str, array.shape))}]"
