"""How Numba lowers a kernel here: to LLVM text only, optimized once when the program is whole.

Numba's own way optimizes every function by itself, emits machine code for it, and then optimizes it
again inside each caller. A program has many kernels and two entry points, so that work is left out:
a kernel stays as it was lowered until `objects.compile_object` links all of them.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numba
from numba.core.analysis import must_use_alloca
from numba.core.codegen import AOTCodeLibrary, AOTCPUCodegen
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.ir import Assign
from numba.core.lowering import Lower
from numba.core.runtime import rtsys
from numba.core.typed_passes import NativeLowering


class KernelLibrary(AOTCodeLibrary):
    """The LLVM module of a function, not optimized; no machine code of its own."""

    def add_llvm_module(self, module: Any) -> None:
        """Take the module as it is."""
        self._final_module.link_in(module)

    def add_linking_library(self, library: Any) -> None:
        """Remember a callee, but not Numba's runtime: kernels allocate nothing."""
        if library is not rtsys.library:
            super().add_linking_library(library)

    def _optimize_final_module(self) -> None:
        """Optimization is for the whole program."""

    def get_pointer_to_function(self, name: str) -> int:
        """No address: nothing is executable yet."""
        return 0


class KernelCodegen(AOTCPUCodegen):
    """Code for this very processor, position independent, with all of its vector instructions."""

    _library_class = KernelLibrary

    def __init__(self) -> None:
        super().__init__("chainrule", cpu_name="host")

    def _customize_tm_features(self) -> str:
        features: str = self._get_host_cpu_features()
        return features

    def set_env(self, name: str, env: Any) -> None:
        """Kernels have no Python environment."""


@cache
def kernel_codegen() -> KernelCodegen:
    """The one code generator of the process; it is made when the first kernel is compiled."""
    return KernelCodegen()


@register_pass(mutates_CFG=False, analysis_only=True)
class UseKernelLibrary(LoweringPass):
    """Make the function's library before Numba would make one of its own kind."""

    _name = "use_kernel_library"

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Called by Numba right before lowering."""
        state.library = kernel_codegen().create_library(state.func_id.func_qualname)
        return True


@register_pass(mutates_CFG=False, analysis_only=True)
class ArraysAreDistinct(LoweringPass):
    """Say that what is written through one array is not read through another."""

    _name = "arrays_are_distinct"

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Called by Numba right before lowering."""
        state.flags.noalias = True
        return True


class ValueLowering(Lower):
    """Keeps in registers what is assigned once, before every loop.

    Numba gives each variable that a later block uses a place in memory, of which LLVM gets rid in
    time that grows with the square of their number: an epoch uses all arrays of its program.
    """

    def _find_singly_assigned_variable(self) -> None:
        super()._find_singly_assigned_variable()
        assigned = Counter(
            statement.target.name
            for block in self.blocks.values()
            for statement in block.find_insts(Assign)
        )
        first = self.blocks[min(self.blocks)]
        once = {
            statement.target.name
            for statement in first.find_insts(Assign)
            if assigned[statement.target.name] == 1
        }
        self._singly_assigned_vars |= once - must_use_alloca(self.blocks)


@register_pass(mutates_CFG=True, analysis_only=False)
class LowerValues(NativeLowering):
    """Numba's lowering, with the variables above."""

    _name = "lower_values"

    @property
    def lowering_class(self) -> type[Lower]:
        """Called by Numba."""
        return ValueLowering


class ProgramCompiler(CompilerBase):
    """Numba's usual passes, with our own before lowering."""

    before_lowering: tuple[type[LoweringPass], ...] = (UseKernelLibrary,)

    def define_pipelines(self) -> list[Any]:
        """Called by Numba for each function."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        lowering = [step for step, _ in passes.passes].index(NativeLowering)
        ours: tuple[type[Any], ...] = (*self.before_lowering, LowerValues)
        passes.passes[lowering : lowering + 1] = [(step, step._name) for step in ours]
        passes.finalize()
        return [passes]


class KernelCompiler(ProgramCompiler):
    """For kernels: every array is given to a kernel once."""

    before_lowering = (UseKernelLibrary, ArraysAreDistinct)


OPTIONS = {
    "error_model": "numpy",  # 1 / 0 is inf; nothing in a kernel raises
    "boundscheck": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,  # no allocation, so no reference counts
}
kernel = numba.njit(pipeline_class=KernelCompiler, **OPTIONS)
program = numba.njit(pipeline_class=ProgramCompiler, **OPTIONS)
