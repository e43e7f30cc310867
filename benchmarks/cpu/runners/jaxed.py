"""JAX: a whole epoch as one jitted scan, and a jitted step at a time; the state is donated."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..workloads import Sample, Workload
from ..workloads.base import BETA_1, BETA_2, EPSILON
from ..workloads.sweep import Sweep
from .base import Runner


class Jax(Runner):
    """What both ways share: the state, and one step of Adam."""

    def __init__(self, workload: Workload, sample: Sample, loss: Callable[..., Any]) -> None:
        """Take over the arrays."""
        super().__init__(workload, sample, loss)
        self.rate, self.sparse = workload.rate, workload.sparse
        jax.config.update("jax_enable_x64", workload.dtype == "float64")
        w, s = (
            {name: jnp.asarray(array) for name, array in arrays.items()}
            for arrays in (sample.weights, sample.state)
        )
        m, v = ({name: jnp.zeros_like(p) for name, p in w.items()} for _ in range(2))
        self.state: Any = (w, m, v, s, jnp.zeros((), workload.dtype))

        def uniform(w: Any, x: Any, y: Any, s: Any) -> Any:
            return loss(w, x, y, s) if s else (loss(w, x, y), s)

        self.gradient = jax.value_and_grad(uniform, has_aux=True)

    def step(self, state: Any, batch: Any) -> tuple[Any, Any]:
        """The state after a step, and the loss before it."""
        return self.adam(state, batch, self.rate)

    def adam(self, state: Any, batch: Any, rate: Any) -> tuple[Any, Any]:
        """A step at this rate."""
        w, m, v, s, t = state
        x, y = batch
        tables = {name: [p[name] for p in (w, m, v)] for name in self.sparse}
        for name in tables:  # of which the rows that x names, each once, stand for the whole
            size = min(x.size, len(w[name]))
            rows, x = jnp.unique(x, return_inverse=True, size=size, fill_value=len(w[name]))
            w, m, v = ({**p, name: p[name].at[rows].get(mode="clip")} for p in (w, m, v))
        (value, s), g = self.gradient(w, x, y, s)
        t = t + 1
        alpha = rate * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
        m = jax.tree.map(lambda m, g: m + (1 - BETA_1) * (g - m), m, g)
        v = jax.tree.map(lambda v, g: v + (1 - BETA_2) * (g**2 - v), v, g)
        w = jax.tree.map(lambda p, m, v: p - alpha * m / (jnp.sqrt(v) + EPSILON), w, m, v)
        for name, whole in tables.items():
            w, m, v = (
                {**p, name: table.at[rows].set(p[name], mode="drop")}
                for p, table in zip((w, m, v), whole, strict=True)
            )
        return (w, m, v, s, t), value


class JaxScan(Jax):
    """`lax.scan` over the batches, jitted."""

    def __init__(self, workload: Workload, sample: Sample, loss: Callable[..., Any]) -> None:
        """Give the data an axis of batches."""
        super().__init__(workload, sample, loss)
        self.arrays = [
            array.reshape(self.batches, self.batch, *array.shape[1:])
            for array in (sample.x, sample.y)
        ]
        self.data = [jnp.asarray(array) for array in self.arrays]
        self.run = jax.jit(partial(jax.lax.scan, self.step), donate_argnums=0)

    def losses(self, first: int, count: int) -> list[float]:
        """A scan over these batches alone."""
        chosen = np.arange(first, first + count) % self.batches
        self.state, found = self.run(self.state, [array[chosen] for array in self.arrays])
        return [float(x) for x in found]

    def epoch(self) -> None:
        """A scan over all batches."""
        self.state, found = self.run(self.state, self.data)
        jax.block_until_ready(found)


class JaxStep(Jax):
    """A jitted step for each batch; the batches are on the device beforehand."""

    def __init__(self, workload: Workload, sample: Sample, loss: Callable[..., Any]) -> None:
        """Cut the data into batches."""
        super().__init__(workload, sample, loss)
        self.pairs = [
            (jnp.asarray(sample.x[rows]), jnp.asarray(sample.y[rows]))
            for rows in map(self.rows, range(self.batches))
        ]
        self.run = jax.jit(self.step, donate_argnums=0)

    def losses(self, first: int, count: int) -> list[float]:
        """Steps one by one."""
        found = []
        for number in range(first, first + count):
            self.state, loss = self.run(self.state, self.pairs[number % self.batches])
            found.append(float(loss))
        return found

    def epoch(self) -> None:
        """The same steps, whose losses nobody reads."""
        for pair in self.pairs:
            self.state, _ = self.run(self.state, pair)
        jax.block_until_ready(self.state)


class JaxSweep(JaxScan):
    """The scan of a step that is mapped over the networks; `t` and the batch are theirs all."""

    def __init__(self, workload: Workload, sample: Sample, loss: Callable[..., Any]) -> None:
        """Map the step over the first axis of weights and means, and over the rates."""
        super().__init__(workload, sample, loss)
        assert isinstance(workload, Sweep)
        self.rates = jnp.asarray(workload.rates, workload.dtype)
        state = (0, 0, 0, 0, None)
        self.mapped = jax.vmap(self.adam, in_axes=(state, None, 0), out_axes=(state, 0))

    def step(self, state: Any, batch: Any) -> tuple[Any, Any]:
        """A step of each network, and the sum of their losses."""
        state, losses = self.mapped(state, batch, self.rates)
        return state, losses.sum()


class JaxPrediction(JaxStep):
    """A jitted call for each sample, that is waited for; the samples are on the device."""

    def __init__(self, workload: Workload, sample: Sample, loss: Callable[..., Any]) -> None:
        """Jit the outputs."""
        super().__init__(workload, sample, loss)
        self.weights, self.scores = self.state[0], jax.jit(loss)

    def losses(self, first: int, count: int) -> list[float]:
        """What is compared: the outputs, squared and added up."""
        samples = [self.pairs[n % self.batches][0] for n in range(first, first + count)]
        return [float((np.asarray(self.scores(self.weights, x)) ** 2).sum()) for x in samples]

    def epoch(self) -> None:
        """A call for each sample."""
        for x, _ in self.pairs:
            self.scores(self.weights, x).block_until_ready()
