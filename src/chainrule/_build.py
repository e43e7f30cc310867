"""From a request to something that runs: out of the cache where it is there, compiled where not."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from chainrule.compiler.errors import UnknownNameError, UsageError, nearest
from chainrule.compiler.fingerprint import fingerprint
from chainrule.compiler.ir import Graph
from chainrule.compiler.program import Program
from chainrule.compiler.stopwatch import timed
from chainrule.compiler.targets import BUILT_IN, known
from chainrule.runtime.cache import Cache, fingerprint_of_environment
from chainrule.runtime.devices import compiled, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chainrule.compiler.explain.plan import Plan
    from chainrule.runtime.devices.base import Executable


def check_target(name: str) -> str:
    """`name`, if there is such a target.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in BUILT_IN and name not in known():
        raise UnknownNameError(
            f"unknown target {name!r}",
            f"expected one of {', '.join(known())}",
            nearest(str(name), known()),
        )
    return name


def program(request: Graph, target: str) -> Program:
    """The program of a request: the one in the cache, or a new one, which is then kept there."""
    with timed("cache"):
        store, environment = Cache.open(), _environment()
        found = store.load_program(fingerprint(request, target, environment))
    if found is None:
        with timed("import"):
            from chainrule.compiler.pipeline import compile

        found = compile(request, target, environment)
        with timed("cache"):
            store.store_program(found)
    return found


def executable(request: Graph, target: str) -> Executable:
    """The request, ready to be called."""
    with _uncollected():
        found = program(request, target)
        with timed("native"):
            return load(found)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Inside, nobody looks for garbage that refers to itself.

    Compiling makes many objects that stay and hardly any such garbage: to go through all of them
    again and again took up to a fifth of its time.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def plan(request: Graph, target: str, sizes: Mapping[str, int]) -> Plan:
    """What memory the program of a request uses.

    Raises:
        UsageError: the target is not `cpu`, whose memory is planned.
    """
    if target != "cpu":
        raise UsageError(
            f"{request.name}: a plan of target {target}",
            "its arrays come and go as NumPy makes them; target cpu plans its memory",
            'compile it with target="cpu"',
        )
    from chainrule.compiler.pipeline import derive, lower
    from chainrule.compiler.targets.cpu.plan import plan_of

    return plan_of(lower(derive(request), target), sizes)


def is_compiled(request: Graph, target: str) -> bool:
    """Whether `executable` takes no time to speak of."""
    found = Cache.open().load_program(fingerprint(request, target, _environment()))
    return found is not None and compiled(found)


@cache
def _environment() -> str:
    return fingerprint_of_environment()
