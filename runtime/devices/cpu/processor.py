"""The processor that native code is written for: its vectors, and how many of them it holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding as llvm


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor as LLVM names it.

    Attributes:
        triple: architecture and operating system.
        name: its model.
        features: its extensions, `+name` for those it has, separated by commas.
    """

    triple: str
    name: str
    features: str

    def has(self, feature: str) -> bool:
        """Whether it has an extension."""
        return f"+{feature}" in self.features.split(",")

    @property
    def _has_avx512(self) -> bool:
        """With its masks for vectors of every width, and twice the registers."""
        return self.has("avx512f") and self.has("avx512vl")

    @property
    def vector_bytes(self) -> int:
        """Bytes of its widest vectors."""
        if self._has_avx512:
            return 64
        return 32 if self.has("avx") else 16

    @property
    def has_masks(self) -> bool:
        """Whether it loads and stores some lanes of a vector, whichever they are."""
        return self.has("avx")

    @property
    def registers(self) -> int:
        """How many vectors it holds."""
        return 32 if self._has_avx512 or self.triple.startswith(("aarch64", "arm64")) else 16

    @property
    def machine(self) -> Any:
        """What LLVM writes object code with: position independent, with all vector instructions.

        A new one each time, for one thread.
        """
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        return llvm.Target.from_triple(self.triple).create_target_machine(
            cpu=self.name,
            features=self.features,
            opt=3,
            reloc="pic",
            codemodel="default",
        )


@cache
def host() -> Processor:
    """The processor that we run on."""
    return Processor(
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
    )


def processor_of(module: Any) -> Processor:
    """The processor that a module is written for: if it does not say, the host."""
    found = getattr(module, "processor", None)
    return found if isinstance(found, Processor) else host()
