"""What a formula's arguments are: said by annotations, read once.

    def radial(x, c: PerInput, gamma: Scalar = 1.0): ...
    def momentum(p, g, v: State = 0.0, rate=0.01, mu=0.9): ...

An argument without annotation and default is an operand, one with a default a setting.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, Literal

from chainrule.compiler.errors import UnknownNameError, UsageError, nearest
from chainrule.compiler.types import Where

from ..names import identifier

Role = Literal["operand", "setting", "per_input", "per_unit", "scalar", "state", "step"]


@dataclass(frozen=True, slots=True)
class Mark:
    """What an annotation says about an argument."""

    role: Role


PerInput = Annotated[Any, Mark("per_input")]
"""A parameter with one number for each input of the neuron. Its default is an initializer."""
PerUnit = Annotated[Any, Mark("per_unit")]
"""A parameter of a recurrent cell with one number for each two units of its layer."""
Scalar = Annotated[Any, Mark("scalar")]
"""One number a neuron; in an optimizer, a state that is one number for each parameter array."""
State = Annotated[Any, Mark("state")]
"""A state of an optimizer, of its parameter's shape. Its default is the value it starts from: a
number, or the name of the setting that has it."""
Step = Annotated[Any, Mark("step")]
"""The number of the step, 1 in the first."""

MARKS: dict[str, Role] = {
    "PerInput": "per_input",
    "PerUnit": "per_unit",
    "Scalar": "scalar",
    "State": "state",
    "Step": "step",
}
REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a formula.

    Attributes:
        name: what the formula calls it.
        role: what it is.
        default: a setting's value, a state's start, a parameter's initializer; `REQUIRED` if none.
        keyword: whether it is passed by name only.
    """

    name: str
    role: Role
    default: Any = REQUIRED
    keyword: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of a formula, in order, and where the formula stands in the user's program."""

    arguments: tuple[Argument, ...]
    where: Where | None = None

    def of(self, *roles: Role) -> tuple[Argument, ...]:
        """The arguments of these roles."""
        return tuple(argument for argument in self.arguments if argument.role in roles)

    def call(self, function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
        """The function of these values."""
        return function(
            *(values[a.name] for a in self.arguments if not a.keyword),
            **{a.name: values[a.name] for a in self.arguments if a.keyword},
        )


def signature(
    function: Callable[..., Any], kind: str, operands: Sequence[str], roles: Sequence[Role] = ()
) -> Signature:
    """Read the arguments of a formula.

    Args:
        function: the formula.
        kind: `activation`, `loss`, ...: for errors.
        operands: what it is given, in order: for errors, and to know how many there are.
        roles: the further roles that its arguments may have.

    Raises:
        UsageError: the arguments are not those of such a formula.
    """
    where = defined(function)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise UsageError(
            f"{kind}: the arguments of {function!r:.60} are not known",
            "expected a Python function",
            "wrap it in a lambda of cr functions",
        ) from None
    arguments = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UsageError(
                f"{kind}: an argument *{parameter.name}",
                "every argument of a formula has a name",
                "write them out",
                where,
            )
        name, role = parameter.name, _role(parameter)
        if role != "operand":
            identifier(name, f"an argument of the {kind}")
        if role not in ("operand", "setting", *roles):
            allowed = [mark for mark, its in MARKS.items() if its in roles]
            raise UsageError(
                f"{kind}: argument {name!r} is annotated as {_mark(role)}",
                f"such a formula has {' and '.join(allowed) if allowed else 'no parameters'}",
                "leave the annotation out for an operand or a setting",
                where,
            )
        keyword = parameter.kind == parameter.KEYWORD_ONLY
        arguments.append(Argument(name, role, parameter.default, keyword))
    found = Signature(tuple(arguments), where)
    given = [argument.name for argument in found.of("operand")]
    if len(given) != len(operands):
        raise UsageError(
            f"{kind}: a formula of {', '.join(given) or 'nothing'}",
            f"expected {len(operands)} without a default: {', '.join(operands)}",
            "a setting has a default; annotations say what is a parameter or a state",
            where,
        )
    return found


def _role(parameter: inspect.Parameter) -> Role:
    """What the annotation says."""
    # Text (`from __future__ import annotations`) is never evaluated: its last word counts.
    annotation = parameter.annotation
    if isinstance(annotation, str):
        word = annotation.strip("'\" ").rpartition(".")[2]
        if word in MARKS:
            return MARKS[word]
    for mark in getattr(annotation, "__metadata__", ()):
        if isinstance(mark, Mark):
            return mark.role
    return "operand" if parameter.default is REQUIRED else "setting"


def _mark(role: Role) -> str:
    return next(mark for mark, its in MARKS.items() if its == role)


def defined(function: Callable[..., Any]) -> Where | None:
    """The line where a Python function is defined, if it is the user's."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or code.co_filename.startswith(("<", *_ours())):
        return None
    return Where(code.co_filename.rpartition("/")[2], code.co_firstlineno)


def _ours() -> tuple[str, ...]:
    from chainrule.compiler.errors import _OURS

    return _OURS


def configured(
    what: str, defaults: Mapping[str, Any], current: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Settings with some of them changed.

    Args:
        what: whose settings, for errors.
        defaults: all settings with their defaults, which say what kind of value each takes.
        current: their values so far.
        given: new values.

    Raises:
        UnknownNameError: there is no such setting.
        UsageError: a value is of another kind than the default.
    """
    result = dict(current)
    for name, value in given.items():
        if name not in defaults:
            raise UnknownNameError(
                f"{what} has no setting {name!r}",
                f"its settings are {', '.join(defaults) or 'none'}",
                nearest(name, defaults) if defaults else "a setting is an argument with a default",
            )
        result[name] = _checked(what, name, defaults[name], value)
    return result


def _checked(what: str, name: str, default: Any, value: Any) -> Any:
    """The value, if it is of the default's kind; integers do for floats.

    A setting whose default is None is a term that may be left out, and 0 leaves it out too.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if isinstance(default, bool):
        fits, expected = isinstance(value, bool), "True or False"
    elif isinstance(default, float):
        fits, expected = number, "a finite number"
    elif isinstance(default, int):
        fits, expected = number and value == int(value), "an integer"
    elif isinstance(default, str):
        fits, expected = isinstance(value, str), "a word"
    else:
        fits, expected = (
            value is None or number or isinstance(value, bool),
            "a finite number or None",
        )
    if not fits:
        raise UsageError(
            f"{what}: {name}={value!r:.60}",
            f"expected {expected}, came {type(value).__name__}",
            f"the default is {default!r}",
        )
    if isinstance(default, bool | str):
        return value
    if default is None:
        return float(value) if number and value else value or None
    return int(value) if isinstance(default, int) else float(value)
