"""What code for target `cpu` calls: functions of LLVM code, and functions in the language itself.

Neither is a Python function: `translate.py` compiles them, and `with_numba.py` shows them to Numba.
"""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """What is written like a call of a function, and is part of the language itself."""

    name: str

    def __call__(self, *arguments: Any) -> Any:
        """Only in text: this is no function of Python's."""
        raise TypeError("a form of native code is not called from Python")


# `for i in prange(start, stop, step)`: a loop over a range whose iterations may run in any order,
# each in any thread. What its body assigns is each iteration's own: nothing is added up across
# iterations, and nothing is read behind the loop but what was written to arrays.
prange = Form("prange")

# `local_array((n, m), f32)`: an array without values in the frame of the function, or of the body
# of `prange`, that it is in. Its sizes are numbers; it begins at a multiple of 64 bytes.
local_array = Form("local_array")


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
        """How often each parameter and each variable of its own gets a value."""
        return Counter(self.parameters) + assigned(self.definition.body)

    @cached_property
    def variables(self) -> frozenset[str]:
        """Parameters and variables, also those of the bodies of `prange`; those of loops not."""
        every = assigned(self.definition.body, bodies=True)
        return frozenset(self.parameters) | every.keys()


def assigned(statements: Sequence[ast.stmt], bodies: bool = False) -> Counter[str]:
    """How often statements assign each variable; the bodies of `prange` have variables of theirs.

    Args:
        statements: where to look, and in what is in them.
        bodies: whether to look into the bodies of `prange` too.
    """
    found: Counter[str] = Counter()
    _count_assigned(statements, bodies, found)
    return found


def _count_assigned(statements: Sequence[ast.stmt], bodies: bool, found: Counter[str]) -> None:
    for statement in statements:
        match statement:
            case ast.Assign(targets=targets):
                for target in targets:
                    _count_targets(target, found)
            case ast.AugAssign(target=ast.Name(id=name)):
                found[name] += 2
            case ast.For(iter=ast.Call(func=ast.Name(id=prange.name))) if not bodies:
                pass
            case ast.For(body=body) | ast.While(body=body):
                _count_assigned(body, bodies, found)
            case ast.If(body=body, orelse=orelse):
                _count_assigned([*body, *orelse], bodies, found)


def _count_targets(target: ast.expr, found: Counter[str]) -> None:
    match target:
        case ast.Name(id=name):
            found[name] += 1
        case ast.Tuple(elts=targets):
            for each in targets:
                _count_targets(each, found)


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
