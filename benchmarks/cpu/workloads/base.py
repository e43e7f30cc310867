"""What a workload is: arrays made from a fixed seed, and one loss in each framework."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
        weights: what is trained, by the names that our model gives.
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
    """

    name: str
    batch: int
    batches: int
    dtype: str = "float32"
    rate: float = 1e-3

    @property
    @abstractmethod
    def flops(self) -> int:
        """Operations of a step's products and convolutions, there and back; the others are few."""

    @abstractmethod
    def weights(self, random: np.random.Generator) -> Arrays:
        """First weights by the names that our model gives, in its order."""

    @abstractmethod
    def data(self, random: np.random.Generator, rows: int) -> tuple[Any, Any]:
        """So many samples, and what is to be learned."""

    @abstractmethod
    def model(self) -> cr.Model:
        """The model, compiled with Adam."""

    def state(self) -> Arrays:
        """What a step changes without a gradient, at first."""
        return {}

    def numpy(self) -> Sample:
        """All arrays; every process that asks gets the same."""
        random = np.random.default_rng(SEED)
        x, y = self.data(random, self.batch * self.batches)
        parts = [self.weights(random), {"x": x, "y": y}, self.state()]
        weights, data, state = ({n: self._cast(a) for n, a in part.items()} for part in parts)
        return Sample(weights, data["x"], data["y"], state)

    def _cast(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array.astype(self.dtype if array.dtype.kind == "f" else np.int32)

    @property
    def bytes(self) -> int:
        """What Adam moves in a step: weights and both means, each read and written."""
        size = np.dtype(self.dtype).itemsize
        return 6 * size * sum(w.size for w in self.weights(np.random.default_rng(SEED)).values())

    def describe(self) -> dict[str, Any]:
        """The workload as plain data, for `workload` in another process."""
        return {"kind": type(self).__name__, **dataclasses.asdict(self)}


def glorot(random: np.random.Generator, *shape: int) -> np.ndarray[Any, Any]:
    """Uniform numbers of variance 2 / (inputs + outputs); the last two axes are those.

    Source: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward
    neural networks", eq. (16).
    """
    window = int(np.prod(shape[:-2]))
    limit = np.sqrt(6 / (window * (shape[-2] + shape[-1])))
    return random.uniform(-limit, limit, shape)
