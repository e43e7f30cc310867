"""Calls for one small array straight from Python: a function of CPython in native code.

A call through `Executable.again` takes about a microsecond and a half beside the kernels, most of
it to run Python. Here the array is looked at in native code, as CPython and NumPy lay objects out
in memory, which is compared with what they say of an array first. Nothing else can run meanwhile:
the GIL is held, and so this is for steps that are short. What is not exactly as expected gives
None, and the long way is taken.
"""

from __future__ import annotations

import ctypes
import math
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from chainrule.compiler.program import Program

from ...cache import Cache
from ..base import Array
from .binding import Binding
from .kept import keep, native
from .loader import NativeLibrary
from .pool_code import TEAM as TEAM_VARIABLE

LONGEST = 20e-6  # seconds of a step during which other threads may wait for the GIL
TRIES = 5  # of a step, whose best counts

# Words of an array: its type, the address of its elements, the number of its axes, the address of
# their sizes, its dtype, and its flags.
TYPE, DATA, AXES, SHAPE, DTYPE, FLAGS = 1, 2, 3, 4, 7, 8
AS_EXPECTED = 0x0001 | 0x0100  # contiguous in C order, and aligned
# Words of what is known of a call: what the array must be; `step` with its arguments and where
# among those the addresses of the array and the result are; what says that something is wrong, or
# that other threads are in the program; what makes the result; and functions of CPython.
KIND, ELEMENTS, COUNT, STEP, ARGUMENTS, GIVEN, RESULT, FAULT, TEAM = range(9)
MAKE, CALL, RELEASE, RETAIN, NONE, SIZES = range(9, 15)

CODE = """
define internal ptr @word(ptr %block, i64 %index) alwaysinline {{
  %place = getelementptr i64, ptr %block, i64 %index
  %value = load ptr, ptr %place
  ret ptr %value
}}

define internal i64 @number(ptr %block, i64 %index) alwaysinline {{
  %place = getelementptr i64, ptr %block, i64 %index
  %value = load i64, ptr %place
  ret i64 %value
}}

define internal i32 @int(ptr %block, i64 %index) alwaysinline {{
  %place = getelementptr i64, ptr %block, i64 %index
  %value = load i32, ptr %place
  ret i32 %value
}}

; A method of CPython: `self` is an array of the words above.
define ptr @chainrule_direct(ptr %self, ptr %array) {{
entry:
  %known = call ptr @word(ptr %self, i64 {DATA})
  %kind = call ptr @word(ptr %known, i64 {KIND})
  %its.kind = call ptr @word(ptr %array, i64 {TYPE})
  %is.array = icmp eq ptr %kind, %its.kind
  br i1 %is.array, label %look, label %otherwise
look:
  %elements = call ptr @word(ptr %known, i64 {ELEMENTS})
  %its.elements = call ptr @word(ptr %array, i64 {DTYPE})
  %same.elements = icmp eq ptr %elements, %its.elements
  %flags = call i32 @int(ptr %array, i64 {FLAGS})
  %needed = and i32 %flags, {AS_EXPECTED}
  %lies.so = icmp eq i32 %needed, {AS_EXPECTED}
  %count = call i64 @number(ptr %known, i64 {COUNT})
  %its.count = call i32 @int(ptr %array, i64 {AXES})
  %its.axes = sext i32 %its.count to i64
  %same.axes = icmp eq i64 %count, %its.axes
  %team.place = call ptr @word(ptr %known, i64 {TEAM})
  %team = load ptr, ptr %team.place
  %free = icmp eq ptr %team, null
  %fits.1 = and i1 %same.elements, %lies.so
  %fits.2 = and i1 %same.axes, %free
  %fits = and i1 %fits.1, %fits.2
  %shape = call ptr @word(ptr %array, i64 {SHAPE})
  br i1 %fits, label %axes, label %otherwise
axes:
  %axis = phi i64 [0, %look], [%next, %size]
  %all = icmp eq i64 %axis, %count
  br i1 %all, label %make, label %size
size:
  %place = add i64 %axis, {SIZES}
  %wanted = call i64 @number(ptr %known, i64 %place)
  %its.size = call i64 @number(ptr %shape, i64 %axis)
  %next = add i64 %axis, 1
  %same.size = icmp eq i64 %wanted, %its.size
  br i1 %same.size, label %axes, label %otherwise
make:
  %call = call ptr @word(ptr %known, i64 {CALL})
  %maker = call ptr @word(ptr %known, i64 {MAKE})
  %result = call ptr %call(ptr %maker)
  %none.made = icmp eq ptr %result, null
  br i1 %none.made, label %failed, label %run
run:
  %data = call ptr @word(ptr %array, i64 {DATA})
  %given = call ptr @word(ptr %known, i64 {GIVEN})
  store ptr %data, ptr %given
  %result.data = call ptr @word(ptr %result, i64 {DATA})
  %target = call ptr @word(ptr %known, i64 {RESULT})
  store ptr %result.data, ptr %target
  %step = call ptr @word(ptr %known, i64 {STEP})
  %arguments = call ptr @word(ptr %known, i64 {ARGUMENTS})
  %ignored = call i64 %step(ptr %arguments)
  %fault.place = call ptr @word(ptr %known, i64 {FAULT})
  %fault = load i64, ptr %fault.place
  %right = icmp eq i64 %fault, 0
  br i1 %right, label %done, label %wrong
done:
  ret ptr %result
wrong:
  store i64 0, ptr %fault.place
  %release = call ptr @word(ptr %known, i64 {RELEASE})
  call void %release(ptr %result)
  br label %otherwise
otherwise:
  %retain = call ptr @word(ptr %known, i64 {RETAIN})
  %none = call ptr @word(ptr %known, i64 {NONE})
  call void %retain(ptr %none)
  ret ptr %none
failed:
  ret ptr null
}}
""".format(**{name: value for name, value in globals().items() if name.isupper()})


class _Method(ctypes.Structure):
    """CPython's `PyMethodDef`."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


ONE_ARGUMENT = 0x0008  # METH_O


def direct(
    program: Program, sizes: Mapping[str, int], own: tuple[Array, ...], library: NativeLibrary
) -> Callable[[object], Array | None] | None:
    """A function of one array that gives the one output, or None where the array is another.

    Args:
        program: a program that changes none of its arrays.
        sizes: of the calls.
        own: all arrays that it is given but the first.
        library: its native code.

    Returns:
        The function; None if this is not possible here, or if the program has other inputs or
        outputs, or a large one, or takes too long.
    """
    if not _fits(program) or library.imports:
        return None
    ends = program.of("input", "output")
    sample, model = (np.zeros(x.shape(sizes), x.type.dtype) for x in ends)
    binding = Binding(program, sizes)
    if not binding.plain or not binding.take((sample,), own) or not _is_short(binding, library):
        return None
    python, make = ctypes.pythonapi, model.copy
    functions = (python.PyObject_CallNoArgs, python.Py_DecRef, python.Py_IncRef)
    known = [
        *(id(np.ndarray), id(sample.dtype), sample.ndim),
        *(library.addresses["step"], binding.address, *binding.ends()),
        *(ctypes.addressof(binding.fault), library.addresses[TEAM_VARIABLE], id(make)),
        *(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions),
        *(id(None), *sample.shape),
    ]
    native_code = _load()
    method = _Method(b"direct", native_code.addresses["chainrule_direct"], ONE_ARGUMENT, None)
    # The function refers to its `self` and to its module, which may be anything.
    kept = (binding, library, native_code, method, make, sample)
    new = ctypes.PYFUNCTYPE(*(ctypes.py_object, ctypes.c_void_p, *2 * (ctypes.py_object,)))
    function: Callable[[object], Array | None] = new(("PyCFunction_NewEx", python))(
        ctypes.addressof(method), np.array(known, np.int64), kept
    )
    return function


def prepare(program: Program, cache: Cache) -> None:
    """Have the native code in the cache, for a program that may want it."""
    if _fits(program):
        keep(CODE, cache)


def _fits(program: Program) -> bool:
    """Whether the program has one input and one output, and all is as expected here."""
    return len(program.of("input")) == len(program.of("output")) == 1 and _possible()


def _is_short(binding: Binding, library: NativeLibrary) -> bool:
    """Whether a call for zeros takes little time at its best, and nothing is wrong."""
    seconds = math.inf
    for _ in range(TRIES):
        begun = time.perf_counter()
        library.entries["step"](binding.address)
        seconds = min(seconds, time.perf_counter() - begun)
    return seconds <= LONGEST and not binding.cleared()[0]


@cache
def _load() -> NativeLibrary:
    code, imports = native(CODE, Cache.open())
    return NativeLibrary(code, (), imports, ("chainrule_direct",))


@cache
def _possible() -> bool:
    """Whether there is a GIL, and arrays lie in memory as they do in CPython and NumPy."""
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    array = np.zeros((2, 3), np.float32)
    words = (ctypes.c_int64 * (FLAGS + 1)).from_address(id(array))
    shape = (words[TYPE], words[DATA], words[DTYPE], words[AXES] & 0xFFFFFFFF)
    if shape != (id(np.ndarray), array.ctypes.data, id(array.dtype), array.ndim):
        return False
    sizes = (ctypes.c_int64 * 2).from_address(words[SHAPE])
    flags = array.flags.num
    return sizes[:] == [2, 3] and words[FLAGS] & 0xFFFFFFFF == flags and flags & AS_EXPECTED != 0
