"""scikit-learn: `partial_fit` of its classifier, whose Adam it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn.neural_network  # noqa: F401  (what it imports belongs to the imports)

from ..workloads import Sample, Workload
from .base import Runner


class Scikit(Runner):
    """An epoch is a `partial_fit` on all rows, in batches and in their order."""

    def __init__(self, workload: Workload, sample: Sample, loss: Callable[..., Any]) -> None:
        """Let it draw weights, by a step on one batch, and set ours."""
        super().__init__(workload, sample, loss)
        self.x, self.y = sample.x, sample.y.ravel().astype(np.int64)
        self.classifier = loss()
        classes = np.arange(max(2, list(sample.weights.values())[-1].size))
        self.classifier.partial_fit(self.x[: self.batch], self.y[: self.batch], classes=classes)
        pairs = list(sample.weights.values())
        self.classifier.coefs_, self.classifier.intercepts_ = pairs[::2], pairs[1::2]
        del self.classifier._optimizer  # the next step makes one whose means are 0

    def losses(self, first: int, count: int) -> list[float]:
        """A call for each batch."""
        found = []
        for rows in map(self.rows, range(first, first + count)):
            self.classifier.partial_fit(self.x[rows], self.y[rows])
            found.append(float(self.classifier.loss_))
        return found

    def epoch(self) -> None:
        """A call for all."""
        self.classifier.partial_fit(self.x, self.y)
