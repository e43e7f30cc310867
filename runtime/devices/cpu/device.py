"""Target `cpu`: native code, called without the GIL."""

from __future__ import annotations

import ctypes
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from chainrule.compiler.program import Program

from ... import threads
from ...cache import Cache
from ..base import Array, Executable
from . import direct
from .binding import Binding
from .choice import Choice
from .epochs import EpochArguments
from .key import object_key
from .loader import NativeLibrary
from .openblas import one_thread
from .pool import prepare, team
from .pool_code import TEAM

KEPT = 4  # bindings of different sizes that are kept


class NativeExecutable(Executable):
    """A program as native code. Calls from several threads wait for each other.

    Args:
        program: a program of target `cpu`.
        cache: where its native code is, or will be.
    """

    def __init__(self, program: Program, cache: Cache) -> None:
        """Load the native code, compiling it if the cache does not have it."""
        super().__init__(program)
        library = load_native(program, cache)
        self._step = library.entries["step"]
        self._epoch = library.entries.get("epoch")
        self._library = library
        self._lock = threading.Lock()
        _executables.add(self)
        self._bindings: dict[tuple[int, ...], Binding] = {}
        self._last: Binding | None = None
        self._team = ctypes.c_void_p.from_address(library.addresses[TEAM])
        self._choices: dict[tuple[int, ...], Choice] = {}
        self._arguments: EpochArguments | None = None

    def call(self, *arrays: Array) -> tuple[Array, ...]:
        """One step; see `Executable.call`."""
        outputs = self.again(arrays)
        if outputs is None:
            with self._lock:
                outputs = self._run(self._rebind(arrays))
        return outputs

    def again(
        self, arrays: Sequence[Array], own: tuple[Array, ...] = ()
    ) -> tuple[Array, ...] | None:
        """One step like the one before; see `Executable.again`."""
        self._lock.acquire()
        try:
            binding = self._last
            if binding is None:
                return None
            if not binding.take(arrays, own):
                binding = next((x for x in self._bindings.values() if x.take(arrays, own)), None)
                if binding is None:
                    return None
                self._last = binding
            return self._run(binding)
        finally:
            self._lock.release()

    def direct(self, own: tuple[Array, ...]) -> Callable[[object], Array | None] | None:
        """The last call as a function; see `Executable.direct`."""
        last = self._last
        return None if last is None else direct.direct(self.program, last.sizes, own, self._library)

    def _run(self, binding: Binding) -> tuple[Array, ...]:
        """The outputs for the arrays that a binding has."""
        if binding.choice.limit != threads.known:
            binding.choice = Choice(threads.get_num_threads())
        if binding.plain and binding.choice.alone and not self._library.imports:
            self._step(binding.address)
        else:
            binding.renew()
            count, _ = binding.choice.next(1)
            call = partial(self._step, binding.address)
            self._timed(binding.choice, count, 1, call)
        if binding.fault[0]:
            raise self.fault(*binding.cleared())
        return binding.results()

    def _timed(self, choice: Choice, count: int, steps: int, call: Callable[[], int]) -> int:
        """A native call by `count` threads, from whose time the choice of them learns."""
        if self._library.imports:
            call = partial(_by_one_thread, call)
        if count == 1:
            start = time.perf_counter()
            result = call()
            choice.took(steps, time.perf_counter() - start, False)
            return result
        helpers = team()
        loops = helpers.loops
        start = time.perf_counter()
        with helpers.helping(count) as address:
            try:
                self._team.value = address
                result = call()
            finally:
                self._team.value = 0
        if address:
            choice.took(steps, time.perf_counter() - start, helpers.loops > loops)
        else:
            choice.hindered()
        return result

    def _rebind(self, arrays: Sequence[Array]) -> Binding:
        """A binding for these arrays' sizes, kept or new; arrays that do not fit are told here."""
        sizes = self.bind(arrays)
        key = tuple(sizes[name] for name in self.program.sizes)
        binding = self._bindings.pop(key, None) or Binding(self.program, sizes)
        while len(self._bindings) >= KEPT:
            del self._bindings[next(iter(self._bindings))]
        self._bindings[key] = binding
        if not binding.take(arrays):
            raise AssertionError("arrays that fit the program do not fit its binding")
        self._last = binding
        return binding

    def epoch(
        self,
        first: int,
        last: int,
        batch_size: int,
        order: Array,
        arrays: Mapping[str, Array],
        totals: Array,
    ) -> int:
        """Many batches in one native call; see `Executable.epoch`."""
        with self._lock:
            arguments = self._arguments
            if arguments is None or not arguments.has(arrays, batch_size):
                arguments = self._fitting(batch_size, arrays)
            if not arguments.follows(order, totals):
                self.check_order(arguments.fit, order, totals)
                arguments.follow(order, totals)
            self.check_batches(arguments.fit, first, last, len(order))
            done = 0
            choice = self._choice(arguments.key)
            assert self._epoch is not None
            call = partial(self._epoch, arguments.address)
            while first < last:
                count, steps = choice.next(last - first)
                arguments.between(first, first + steps)
                came = self._timed(choice, count, steps, call)
                done, first = done + came, first + steps
                if came < steps:
                    break
            fault = arguments.cleared()
        if fault[0]:
            raise self.fault(*fault)
        return done

    def _fitting(self, batch_size: int, arrays: Mapping[str, Array]) -> EpochArguments:
        """The arguments of `epoch` for these arrays, in memory that is kept or new."""
        fit, arguments = self.fit(batch_size, arrays), self._arguments
        key = tuple(fit.sizes[name] for name in self.program.sizes)
        if arguments is None or arguments.key != key:
            arguments = self._arguments = EpochArguments(self.program, key, fit)
        arguments.take(arrays, self.in_order(arrays), fit)
        return arguments

    def _choice(self, key: tuple[int, ...]) -> Choice:
        """What is known of threads for epochs of these sizes."""
        found = self._choices.pop(key, None)
        if found is None or found.limit != threads.known:
            found = Choice(threads.get_num_threads())
        while len(self._choices) >= KEPT:
            del self._choices[next(iter(self._choices))]
        self._choices[key] = found
        return found


_executables: weakref.WeakSet[NativeExecutable] = weakref.WeakSet()


def _unlock() -> None:
    """In a child of a fork, nobody is in a call, and no thread of the parent's team helps."""
    for executable in _executables:
        executable._lock = threading.Lock()
        executable._team.value = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


def _by_one_thread(call: Callable[[], int]) -> int:
    with one_thread():
        return call()


def load_native(program: Program, cache: Cache) -> NativeLibrary:
    """The program's native code, from the cache or compiled now; either way it is then loaded."""
    key = object_key(program)
    stored = cache.load_object(key)
    if stored is None:
        from .objects import compile_program

        stored = compile_program(program, cache)
        cache.store_object(key, *stored)
        prepare(cache)
        direct.prepare(program, cache)
    entries = ("step",) if program.batch is None else ("step", "epoch")
    return NativeLibrary(stored[0], entries, stored[1], (TEAM,))
