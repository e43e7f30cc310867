"""The text of a program's module: parsed, never executed."""

from __future__ import annotations

import ast
from typing import Any

from . import library
from .arrays import constant
from .routines import Function, TranslationError


def module_names(source: str, file: str) -> dict[str, Any]:
    """What the names of a program's module stand for: its functions, arrays and imports."""
    names: dict[str, Any] = {}
    for node in ast.parse(source).body:
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                continue
            case ast.ImportFrom(module=library.__name__, names=[ast.alias(name="*")]):
                names |= {name: getattr(library, name) for name in library.__all__}
            case ast.ImportFrom(module=library.__name__, names=aliases):
                wanted = [alias.name for alias in aliases]
                if set(wanted) <= set(library.__all__):
                    names |= {name: getattr(library, name) for name in wanted}
                    continue
                missing = min(set(wanted) - set(library.__all__))
                raise TranslationError(f"{file}:{node.lineno}: the library has no {missing}")
            case ast.FunctionDef(
                name=name, decorator_list=[ast.Name(id="kernel" | "program" as decorator)]
            ):
                names[name] = Function(name, decorator == "program", names, file, node)
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="constant"), args=args)
            ):
                dtype, shape, values = args
                assert isinstance(values, ast.List)
                names[name] = constant(
                    ast.literal_eval(dtype),
                    ast.literal_eval(shape),
                    [_literal(item) for item in values.elts],
                )
            case _:
                raise TranslationError(
                    f"{file}:{node.lineno}: {type(node).__name__} is not in the language"
                )
    return names


def _literal(node: ast.expr) -> Any:
    """A number as a constant array's text has it."""
    match node:
        case ast.Name(id="inf" | "nan" as name):
            return float(name)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Name(id="inf")):
            return -float("inf")
    return ast.literal_eval(node)
