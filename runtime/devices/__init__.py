"""Devices: each takes a program of its target and makes it callable."""

from __future__ import annotations

from chainrule.compiler.errors import UnknownNameError, nearest
from chainrule.compiler.program import Program

from ..cache import Cache
from .base import Executable

TARGETS = ("cpu", "numpy")


def load(program: Program, cache: Cache | None = None) -> Executable:
    """The program, ready to be called; native code is compiled unless the cache has it."""
    cache = cache or Cache.open()
    if program.target == "cpu":
        from .cpu.device import NativeExecutable

        return NativeExecutable(program, cache)
    if program.target == "numpy":
        from .reference import ReferenceExecutable

        return ReferenceExecutable(program, cache)
    raise UnknownNameError(
        f"no device runs target {program.target!r}",
        f"devices run {', '.join(TARGETS)}",
        nearest(program.target, TARGETS),
    )


def compiled(program: Program, cache: Cache | None = None) -> bool:
    """Whether `load` finds everything in the cache, so that it takes no time to speak of."""
    if program.target != "cpu":
        return True
    from .cpu.key import object_key

    return (cache or Cache.open()).has_object(object_key(program))
