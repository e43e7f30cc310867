"""What a workload is: arrays made from a fixed seed, and one loss in each framework."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import chainrule as cr

Arrays = dict[str, "np.ndarray[Any, Any]"]

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-10  # of Adam, everywhere
SEED = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """The arrays that all frameworks start from, floating ones in the same dtype.

    Attributes:
        weights: what is trained, by the names that our model gives, which has drawn them.
        x: all batches, one after the other.
        y: what belongs to them.
        state: what a step changes without a gradient, such as running means.
    """

    weights: Arrays
    x: np.ndarray[Any, Any]
    y: np.ndarray[Any, Any]
    state: Arrays

    def save(self, path: str) -> None:
        """Write everything to one file."""
        named: Arrays = {f"weights/{name}": w for name, w in self.weights.items()}
        named |= {f"state/{name}": s for name, s in self.state.items()}
        np.savez(path, allow_pickle=False, x=self.x, y=self.y, **named)

    @classmethod
    def load(cls, path: str) -> Sample:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        parts: dict[str, Arrays] = {"weights": {}, "state": {}}
        for name, array in arrays.items():
            folder, _, rest = name.partition("/")
            if rest:
                parts[folder][rest] = array
        return cls(parts["weights"], arrays["x"], arrays["y"], parts["state"])


@dataclass(frozen=True, kw_only=True)
class Workload(ABC):
    """Something to train, the same in every framework.

    Attributes:
        name: what it is called on the command line and in tables.
        batch: samples a step.
        batches: steps an epoch; the data are so many different batches.
        dtype: of what is not an integer.
        rate: Adam's; smaller for wide networks, in which rounding would soon grow.
        predicts: whether nothing is trained: a step is a prediction from Python, and no other
            waits.
        sweeps: whether many networks are trained at once.
        sparse: the weights that are tables, of which a step updates the rows that the batch names.
    """

    predicts: ClassVar[bool] = False
    sweeps: ClassVar[bool] = False

    name: str
    batch: int
    batches: int
    dtype: str = "float32"
    rate: float = 1e-3
    sparse: tuple[str, ...] = ()

    @property
    @abstractmethod
    def flops(self) -> int:
        """Operations of a step's products and convolutions, there and back; the others are few."""

    @abstractmethod
    def data(self, random: np.random.Generator, rows: int) -> tuple[Any, Any]:
        """So many samples, and what is to be learned."""

    @abstractmethod
    def model(self) -> cr.Model:
        """Our model, compiled with Adam."""

    def numpy(self) -> Sample:
        """All arrays; every process that asks gets the same."""
        x, y = self.data(np.random.default_rng(SEED), self.batch * self.batches)
        model = self.model()
        model.seed = SEED
        weights, state = dict(model.parameters), dict(model.state)
        return Sample(weights, self._cast(x), self._cast(y), state)

    def for_torch(self, sample: Sample) -> Sample:
        """The arrays in the order of axes that PyTorch has."""
        return sample

    def _cast(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array.astype(self.dtype if array.dtype.kind == "f" else np.int32)

    @property
    def bytes(self) -> int:
        """What Adam moves in a step: weights and both means, each read and written."""
        return 6 * np.dtype(self.dtype).itemsize * self.model().count_params()

    def describe(self) -> dict[str, Any]:
        """The workload as plain data, for `workload` in another process."""
        return {"kind": type(self).__name__, **dataclasses.asdict(self)}


def channels_second(sample: Sample) -> Sample:
    """Images and windows with the axes that PyTorch has; in memory, channels stay last."""
    weights = {
        name: np.ascontiguousarray(w.transpose(3, 0, 1, 2)).transpose(0, 3, 1, 2)
        if w.ndim == 4
        else w
        for name, w in sample.weights.items()
    }
    return dataclasses.replace(sample, weights=weights, x=sample.x.transpose(0, 3, 1, 2))
