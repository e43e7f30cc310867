"""What code for target `cpu` calls: functions of LLVM code, and functions in the language itself.

Neither is a Python function: `translate.py` compiles them, and `with_numba.py` shows them to Numba.
"""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType
from typing import Any, TypeVar

from .kinds import Kind
from .values import Value

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


class TranslationError(Exception):
    """Source that is not in the language."""


@dataclass(frozen=True, slots=True, eq=False)
class Intrinsic:
    """A function of LLVM code.

    Attributes:
        arity: how many arguments it has.
        infer: the type of the result from the types of the arguments; None where they do not fit.
        lower: writes the code, from a builder and values of such types.
    """

    arity: int
    infer: Callable[..., Kind | None]
    lower: Callable[..., Value]

    def __call__(self, *arguments: Any) -> Any:
        """Only in text: this is no function of Python's."""
        raise TypeError("a function of native code is not called from Python")


@dataclass(eq=False)
class Function:
    """A function in the language of kernels.

    Attributes:
        name: its name.
        is_program: whether it is an entry point, or a step that one calls.
        names: what its names stand for, where they are not its own.
        file: where it is written.
        tree: its syntax; None to read it from the file when it is wanted.
        python: the Python function, where there is one.
    """

    name: str
    is_program: bool
    names: Mapping[str, Any]
    file: str
    tree: ast.FunctionDef | None = None
    python: FunctionType | None = field(default=None, repr=False)

    @cached_property
    def definition(self) -> ast.FunctionDef:
        """The syntax tree."""
        if self.tree is not None:
            return self.tree
        assert self.python is not None
        lines, first = inspect.getsourcelines(self.python)
        (definition,) = ast.parse("".join(lines)).body
        assert isinstance(definition, ast.FunctionDef)
        ast.increment_lineno(definition, first - 1)
        return definition

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of its parameters."""
        return tuple(argument.arg for argument in self.definition.args.args)

    @cached_property
    def assigned(self) -> Counter[str]:
        """How often each parameter and each variable gets a value; those of loops are not here."""
        return Counter([*self.parameters, *_assigned(self.definition)])

    @cached_property
    def reassigned(self) -> frozenset[str]:
        """Variables that have more than one value in a call."""
        return frozenset(name for name, times in self.assigned.items() if times > 1)


def _assigned(definition: ast.FunctionDef) -> Iterator[str]:
    """The variables that statements assign, as often as they do; loops have their own."""
    for node in ast.walk(definition):
        match node:
            case ast.Assign(targets=targets):
                names = [name for target in targets for name in ast.walk(target)]
                yield from (x.id for x in names if isinstance(x, ast.Name) and _stored(x))
            case ast.AugAssign(target=ast.Name(id=name)):
                yield name
                yield name


def _stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _made(python: FunctionType, is_program: bool) -> Function:
    return Function(
        python.__name__,
        is_program,
        python.__globals__,
        python.__code__.co_filename,
        python=python,
    )


def kernel(function: AnyFunction) -> AnyFunction:
    """A function of numbers and arrays, each of which it is given once."""
    return _made(function, False)  # type: ignore[return-value, arg-type]


def program(function: AnyFunction) -> AnyFunction:
    """An entry point: it gets the address of a block of words."""
    return _made(function, True)  # type: ignore[return-value, arg-type]
