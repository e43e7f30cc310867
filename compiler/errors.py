"""Errors that say where in the user's own file, what was expected and what came, and a hint."""

from __future__ import annotations

import contextlib
import difflib
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .types import Dim, Where, value

# The folders whose frames are ours: the nearest caller outside them is the user.
_OURS = tuple(
    str(folder) + "/"
    for folder in {
        Path(__file__).parent,
        Path(__file__).resolve().parent,
        Path(__file__).resolve().parent.parent / "frontend",
        Path(__file__).resolve().parent.parent / "runtime",
        Path(__file__).resolve().parent.parent / "src" / "chainrule",
        Path(__file__).parent.parent,
    }
    if folder.name in {"compiler", "frontend", "runtime", "chainrule"}
)
# Between us and the user there may be others, such as NumPy, which calls methods of tensors.
_OTHERS = (sysconfig.get_path("stdlib") + "/", "/site-packages/", "/dist-packages/")


class ChainruleError(Exception):
    """What went wrong, in three lines: where and what, the values involved, a hint.

    Args:
        what: one line, what is wrong.
        detail: what was expected and what came.
        hint: what to do about it.
        where: the user's own line; by default the nearest caller outside the package.
    """

    def __init__(
        self, what: str, detail: str = "", hint: str = "", where: Where | None = None
    ) -> None:
        """Compose the three lines."""
        self.what, self.detail, self.hint = what, detail, hint
        self.where = where or caller()
        place = f"{self.where}: " if self.where else ""
        lines = [f"{place}{what}"]
        if detail:
            lines.append(f"    {detail}")
        if hint:
            lines.append(f"    hint: {hint}")
        super().__init__("\n".join(lines))


class ShapeError(ChainruleError, ValueError):
    """Shapes that do not fit together."""


class DTypeError(ChainruleError, TypeError):
    """A data type that an operation does not take."""


class UnknownNameError(ChainruleError, ValueError):
    """A name that is unknown, or that is not an identifier."""


class DataError(ChainruleError, ValueError):
    """Data that cannot be trained on: NaN, labels out of range, empty, inconsistent lengths."""


class IndexOutOfRange(ChainruleError, IndexError):
    """An index that lies outside its axis."""


class MatrixError(ChainruleError, ArithmeticError):
    """A matrix that is singular, or not positive definite."""


class LoopError(ChainruleError, ArithmeticError):
    """A loop that still goes on after the most steps that it may take."""


class ConvergenceError(ChainruleError, ArithmeticError):
    """A solver that is not done after the most steps that it may take."""


class DivergenceError(ChainruleError, ArithmeticError):
    """A loss that became NaN or infinite."""


class FileError(ChainruleError, ValueError):
    """A file that is truncated, corrupted, or not ours."""


class UsageError(ChainruleError, ValueError):
    """A call that does not make sense as it stands."""


FaultKind = Literal["index", "singular", "not positive definite", "bound", "convergence"]

# For each kind of fault, the error, what led to it, and what to do about it.
_FAULTS: dict[FaultKind, tuple[type[ChainruleError], str, str]] = {
    "index": (
        IndexOutOfRange,
        "it is less than 0, or not less than the size",
        "positions count from 0; of x[i], negative ones come here with the size added to them",
    ),
    "singular": (
        MatrixError,
        "elimination met a pivot that is exactly 0",
        "add a small multiple of the identity, or leave out rows that depend on each other",
    ),
    "not positive definite": (
        MatrixError,
        "the pivots of its Cholesky factorization are not all above 0",
        "add a small multiple of the identity to its diagonal",
    ),
    "bound": (
        LoopError,
        "its condition still holds, and it may take no more",
        "give more max_steps; at_bound='stop' takes the carry as it is then",
    ),
    "convergence": (
        ConvergenceError,
        "what is left of the equation is larger than the tolerance",
        "start nearer to the solution, or give more max_steps or a larger tolerance",
    ),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What can go wrong while a program runs.

    Attributes:
        kind: an index outside its axis, what is the matter with a matrix, or a loop without end.
        what: one line, as in the error.
        where: the user's line that asked for what goes wrong.
        result: where the code tells results apart by their names, the one that cannot be computed.
    """

    kind: FaultKind
    what: str
    where: Where | None = None
    result: str = ""

    @property
    def located(self) -> str:
        """What is wrong, behind the user's line."""
        return f"{self.where}: {self.what}" if self.where else self.what

    def error(self, found: str = "") -> ChainruleError:
        """The error to raise.

        Args:
            found: what the program came upon, such as the position and the size.
        """
        error, detail, hint = _FAULTS[self.kind]
        return error(self.what, found or detail, hint, self.where)


def position(index: int, size: int) -> str:
    """What a program came upon that reports an index outside its axis."""
    return f"position {index} on an axis of size {size}"


@dataclass(frozen=True, slots=True)
class Bound:
    """A size that must not be negative for a program to make sense, known when it is called.

    Attributes:
        size: a polynomial in the named sizes, such as n - 3.
        what: what is wrong where it is negative.
        where: the user's line that needs it.
    """

    size: Dim
    what: str
    where: Where | None = None

    def check(self, sizes: Mapping[str, int]) -> None:
        """ShapeError if the size is negative for these named sizes."""
        found = value(self.size, sizes)
        if found < 0:
            if isinstance(self.size, int):
                raise ShapeError(
                    self.what,
                    "the sizes are those of the formula, whatever arrays are passed",
                    "give its tensors larger sizes, or names",
                    self.where,
                )
            named = ", ".join(f"{name} = {size}" for name, size in sizes.items())
            raise ShapeError(
                self.what,
                f"{self.size} must not be negative; it is {found} for {named}",
                "pass larger arrays",
                self.where,
            )


_PINNED: ContextVar[Where | None] = ContextVar("pinned", default=None)


@contextlib.contextmanager
def pinned(where: Where | None) -> Iterator[None]:
    """Inside, `caller` is this place: a layer belongs where it was written, not used."""
    if where is None:
        yield
        return
    token = _PINNED.set(where)
    try:
        yield
    finally:
        _PINNED.reset(token)


def caller() -> Where | None:
    """The line that the user wrote: the nearest frame outside this package, or what is pinned.

    A frame of an installed package is taken only where there is no other.
    """
    chosen = _PINNED.get()
    if chosen is not None:
        return chosen
    frame, installed = sys._getframe(1), None
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_OURS) and not name.startswith("<"):
            where = Where(Path(name).name, frame.f_lineno)
            if not any(folder in name for folder in _OTHERS):
                return where
            installed = installed or where
        frame = frame.f_back  # type: ignore[assignment]
    return installed


LISTED = 30  # names in a hint


def nearest(name: object, known: Iterable[str]) -> str:
    """A hint for an unknown name: the nearest known one, or the one with its initials, or all.

    Of very many only the first are listed.
    """
    names = sorted(known)
    initials = [x for x in names if "_" in x and str(name) == "".join(w[:1] for w in x.split("_"))]
    close = initials or difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    more = len(names) - LISTED
    return "known: " + ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")
