"""Blocks of 64-bit words: what an entry point is called with, and the step that one calls.

The words are in the order of the arguments: an integer is one word; an array is the address of its
data and its sizes.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from .kinds import INT64, INT64_TYPE, ArrayKind, Kind
from .routines import TranslationError
from .values import Array, Scalar, Value, Word, address, copy, room, size_of, word_at


def unpacked(builder: Any, block: Any, position: int, kind: Kind) -> tuple[Value, int]:
    """The argument that begins at a position of a block, and where the next one does."""
    if isinstance(kind, ArrayKind):
        sizes = tuple(
            _word(builder, block, place) if known is None else size_of(known)
            for place, known in enumerate(kind.sizes, position + 1)
        )
        data = Word(block, position, sizes)
        return Array(kind.dtype, data, sizes), position + 1 + kind.ndim
    if kind is not INT64:
        raise TranslationError(f"{kind} is not an argument of an entry point")
    return _word(builder, block, position), position + 1


def _word(builder: Any, block: Any, position: int) -> Scalar:
    """The integer at a position of a block."""
    return Scalar(INT64, builder.load(word_at(builder, block, position), typ=INT64_TYPE))


def packed(builder: Any, given: list[Value]) -> Any:
    """The address of a block of words that has these arguments.

    What lies together in the caller's own block is copied together: an epoch passes most of its
    arguments on to each step.
    """
    words: list[Any] = []
    runs: list[tuple[int, Word, int]] = []
    for value in given:
        if isinstance(value, Array) and _is_intact(value):
            count = 1 + len(value.sizes)
            if runs and _follows(runs[-1], value.data, len(words)):
                start, first, length = runs[-1]
                runs[-1] = start, first, length + count
            else:
                runs.append((len(words), value.data, count))
            words += [None] * count
        elif isinstance(value, Array):
            words += [address(builder, value), *(size.value for size in value.sizes)]
        elif isinstance(value, Scalar) and value.kind is INT64:
            words.append(value.value)
        else:
            raise TranslationError(f"{value.kind} is not an argument of a step")
    block = room(builder, ir.ArrayType(INT64_TYPE, len(words)))
    for start, word, length in runs:
        source = word_at(builder, word.block, word.position)
        bytes_ = ir.Constant(INT64_TYPE, 8 * length)
        copy(builder, word_at(builder, block, start), source, bytes_)
    for position, value in enumerate(words):
        if value is not None:
            builder.store(value, word_at(builder, block, position))
    return block


def _is_intact(array: Array) -> bool:
    """Whether an array is an argument as it came."""
    return isinstance(array.data, Word) and array.sizes is array.data.sizes


def _follows(run: tuple[int, Word, int], word: Word, position: int) -> bool:
    """Whether a word lies behind a run of words, both where it comes from and where it goes."""
    start, first, length = run
    together = word.block is first.block and word.position == first.position + length
    return together and position == start + length
