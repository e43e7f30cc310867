"""What memory a program uses: who shares it, what is stored, and what is computed again instead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..types import BYTES, Dim, TensorType, add, mul, sub
from .loops import shown_size, with_numbers

WIDTH = 100


@dataclass(frozen=True, slots=True)
class Held:
    """An array that is in memory all the time: its name and its type."""

    name: str
    type: TensorType

    @property
    def size(self) -> Dim:
        """In bytes."""
        return mul(self.type.size, BYTES[self.type.dtype])


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor in a scratch buffer.

    Attributes:
        name: what it is called in the text.
        type: its type.
        first: the kernel that writes it first.
        last: the kernel that needs it last.
    """

    name: str
    type: TensorType
    first: str
    last: str

    @property
    def size(self) -> Dim:
        """In bytes."""
        return mul(self.type.size, BYTES[self.type.dtype])


@dataclass(frozen=True, slots=True)
class Scratch:
    """A buffer, and the tensors that lie in it one after the other."""

    name: str
    type: TensorType
    tensors: tuple[Tensor, ...]

    @property
    def size(self) -> Dim:
        """In bytes."""
        return mul(self.type.size, BYTES[self.type.dtype])


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that is needed again: stored, or computed where it is needed.

    Attributes:
        formula: the value.
        type: its type.
        stored: whether it is.
        cost: of computing an element from what is stored, in additions.
        times: how many elements are computed in all.
    """

    formula: str
    type: TensorType
    stored: bool
    cost: float
    times: Dim

    @property
    def size(self) -> Dim:
        """In bytes, if it is stored."""
        return mul(self.type.size, BYTES[self.type.dtype])

    @property
    def flops(self) -> Dim:
        """What computing it again takes, or would take at least, in additions."""
        again = self.type.size if self.stored else sub(self.times, self.type.size)
        return mul(again, round(self.cost))


@dataclass(frozen=True, slots=True)
class Plan:
    """The memory of a program; prints as text.

    Attributes:
        name: the program's name.
        data: inputs and settings.
        parameters: what is trained.
        state: what else is kept from step to step.
        outputs: what a call gives.
        scratch: what is used between kernels.
        choices: what is stored or computed again, and what decided.
        sizes: numbers for sizes, with which it prints.
    """

    name: str
    data: tuple[Held, ...]
    parameters: tuple[Held, ...]
    state: tuple[Held, ...]
    outputs: tuple[Held, ...]
    scratch: tuple[Scratch, ...]
    choices: tuple[Choice, ...]
    sizes: Mapping[str, int]

    @property
    def size(self) -> Dim:
        """Bytes of all arrays."""
        held = (*self.data, *self.parameters, *self.state, *self.outputs)
        return add(total(held), total(self.scratch))

    @property
    def saved(self) -> Dim:
        """Bytes that tensors would need more if each had memory of its own."""
        tensors = [tensor for buffer in self.scratch for tensor in buffer.tensors]
        alone = total(buffer for buffer in self.scratch if not buffer.tensors)
        return sub(add(total(tensors), alone), total(self.scratch))

    def __str__(self) -> str:
        lines = [f"{self.name}: {self._bytes(self.size)}"]
        for what, held in (
            ("parameters", self.parameters),
            ("state", self.state),
            ("data", self.data),
            ("outputs", self.outputs),
        ):
            if held:
                names = ", ".join(f"{x.name} {self._shape(x.type)}" for x in held)
                lines += ["", f"{what}: {self._bytes(total(held))}", *_wrapped(names)]
        if self.scratch:
            lines += ["", f"between kernels: {self._bytes(total(self.scratch))}, shared by tensors"]
            lines[-1] += f" of {self._bytes(add(total(self.scratch), self.saved))}"
            lines += (line for buffer in self.scratch for line in self._buffer(buffer))
        for stored, what in ((True, "stored"), (False, "computed again")):
            chosen = [self._choice(x) for x in self.choices if x.stored is stored]
            lines += ["", f"{what}:", *chosen] if chosen else []
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _buffer(self, buffer: Scratch) -> Iterator[str]:
        yield f"    {buffer.name}: {self._bytes(buffer.size)}"
        for x in buffer.tensors:
            life = x.first if x.first == x.last else f"{x.first} to {x.last}"
            size = "" if x.size == buffer.size else f", {self._bytes(x.size)}"
            yield f"        {x.name} {self._shape(x.type)}{size}: {life}"

    def _choice(self, x: Choice) -> str:
        flops = shown_size(x.flops, self.sizes)
        if x.stored:
            return f"    {x.formula}: {self._bytes(x.size)} save {flops} operations"
        return f"    {x.formula}: {flops} operations save {self._bytes(x.size)}"

    def _bytes(self, size: Dim) -> str:
        return f"{shown_size(size, self.sizes)} bytes"

    def _shape(self, type_: TensorType) -> str:
        shape = tuple(with_numbers(dim, self.sizes) for dim in type_.shape)
        return str(TensorType(type_.dtype, shape))


def total(parts: Iterable[Held | Tensor | Scratch]) -> Dim:
    """Bytes of all of them."""
    found: Dim = 0
    for part in parts:
        found = add(found, part.size)
    return found


def _wrapped(text: str) -> list[str]:
    """Text in lines with a margin."""
    lines: list[str] = []
    for word in text.split(", "):
        if lines and len(lines[-1]) + len(word) + 2 < WIDTH:
            lines[-1] += f", {word}"
        elif lines:
            lines[-1] += ","
            lines.append(f"    {word}")
        else:
            lines.append(f"    {word}")
    return lines
