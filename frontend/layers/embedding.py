"""Layers that turn labels and positions into vectors."""

from __future__ import annotations

import math
import operator
from typing import Any

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.types import FLOATS, INTS, Size

from ..constants import dtype_name
from ..formula import Regularizer, regularizer as find_regularizer
from ..functions.creation import arange
from ..functions.elementwise import cos, exp, floor_divide, remainder, sin, where
from ..functions.indexing import take
from ..functions.shaping import broadcast_to, reshape
from ..initializers import Initializer, initializer as find_initializer
from ..tensor import Tensor
from .base import BaseLayer


def count(layer: str, what: str, given: object) -> int:
    """A positive integer."""
    try:
        number = 0 if isinstance(given, bool) else operator.index(given)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if number < 1:
        raise UsageError(f"{layer} with {what}={given!r}", "expected a positive integer", "64")
    return number


class Embedding(BaseLayer):
    """A vector for each label: `y = E[x]`, the rows of a matrix that is trained.

    The gradient adds up at the rows that were read. A label outside 0 ... input_dim - 1 is an error
    on every target.

    Args:
        input_dim: how many labels there are.
        output_dim: the size of a vector.
        embeddings_initializer: first values of `E`, shape `(input_dim, output_dim)`.
        embeddings_regularizer: a term added to the loss for `E`.
        dtype: of the vectors.
        name: the layer's name.
        sparse: whether a step updates those rows alone that it reads, and the optimizer's states
            of these rows: others cost nothing, and are not moved by momentum. A row that is read
            several times is updated once, by the sum. Only rows may be read of `E`: no
            regularizer, and no clipping by a norm. Optimizers that leave rows without a gradient
            as they are, such as `SGD` without momentum, do so unasked where a table is large.

    Raises:
        UsageError: a size is not a positive integer, or `E` is used whole and sparse.
        DTypeError: the input is not of integers.

    Example:
        >>> import chainrule as cr
        >>> cr.Embedding(65, 64)(cr.Input((32,), dtype="int32")).shape
        (batch, 32, 64)

    Source:
        Bengio et al. 2003, "A neural probabilistic language model", section 2. Updates of rows are
        those of PyTorch's SparseAdam, and of LazyAdam.
    """

    letter = "e"

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        dtype: str = "float32",
        name: str | None = None,
        sparse: bool = False,
    ) -> None:
        super().__init__(name)
        called = type(self).__name__
        self.input_dim = count(called, "input_dim", input_dim)
        self.output_dim = count(called, "output_dim", output_dim)
        if not isinstance(sparse, bool):
            raise UsageError(f"{called} with sparse={sparse!r}", "expected True or False", "True")
        self.sparse = sparse
        self.dtype = dtype_name(dtype)
        if self.dtype not in FLOATS:
            raise DTypeError(
                f"{called} of {self.dtype}",
                "vectors are trained: expected float32 or float64",
                "labels may be int32 or int64, their vectors are floats",
            )
        self._initializer: Initializer = find_initializer(embeddings_initializer)
        self._regularizer: Regularizer | None = (
            None if embeddings_regularizer is None else find_regularizer(embeddings_regularizer)
        )

    def describe(self) -> str:
        """As written."""
        return f"Embedding({self.input_dim}, {self.output_dim}{self._told()})"

    def _told(self) -> str:
        return ", sparse=True" if self.sparse else ""

    def apply(self, *inputs: Tensor) -> Tensor:
        """Of shape `(*x.shape, output_dim)`."""
        (x,) = inputs
        if x.dtype not in INTS:
            raise DTypeError(
                f"{self.describe()} on {x.node.type}",
                "expected labels, int32 or int64",
                'cr.Input(..., dtype="int32")',
            )
        shape = (self.input_dim, self.output_dim)
        e = self.parameter(
            "E", shape, self.dtype, self._initializer, self._regularizer, self.sparse
        )
        return take(e, x, axis=0)


class PositionEmbedding(BaseLayer):
    """A trained vector for each position of a sequence, to be added to what stands there.

    Args:
        sequence_length: the longest sequence.
        initializer: first values of `P`, shape `(sequence_length, features)`.
        name: the layer's name.

    Raises:
        UsageError: the length is not a positive integer.
        ShapeError: the input is no sequence of vectors, or longer.

    Example:
        >>> import chainrule as cr
        >>> e = cr.Embedding(65, 64)(cr.Input((32,), dtype="int32"))
        >>> cr.Add()([e, cr.PositionEmbedding(32)(e)]).shape
        (batch, 32, 64)

    Source:
        Gehring et al. 2017, "Convolutional sequence to sequence learning", section 3.1.
    """

    letter = "p"

    def __init__(
        self,
        sequence_length: int,
        initializer: Any = "glorot_uniform",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.sequence_length = count("PositionEmbedding", "sequence_length", sequence_length)
        self._initializer: Initializer = find_initializer(initializer)

    def describe(self) -> str:
        """As written."""
        return f"PositionEmbedding({self.sequence_length})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Of the shape of `x`: `(batch, ..., length, features)`."""
        (x,) = inputs
        length, features = _sequence(self, x)
        if isinstance(length, Size) or length > self.sequence_length:
            raise ShapeError(
                f"{self.describe()} on {x.node.type}",
                f"the sequence has {length} positions, there are {self.sequence_length} vectors",
                "sequence_length is the longest",
            )
        p = self.parameter("P", (self.sequence_length, features), x.dtype, self._initializer)
        return broadcast_to(p[:length], x.shape)


class SinePositionEncoding(BaseLayer):
    """Sines and cosines of the position, to be added to what stands there.

    Position p has `sin(p / L^(i/d))` at even places i and `cos(p / L^((i-1)/d))` at odd ones.

    Args:
        max_wavelength: L; wavelengths go from 2 pi to 2 pi L.
        name: the layer's name.

    Raises:
        UsageError: the wavelength is not positive.
        ShapeError: the input is no sequence of vectors.

    Example:
        >>> import chainrule as cr
        >>> e = cr.Embedding(65, 64)(cr.Input((32,), dtype="int32"))
        >>> cr.Add()([e, cr.SinePositionEncoding()(e)]).shape
        (batch, 32, 64)

    Source:
        Vaswani et al. 2017, "Attention is all you need", section 3.5.
    """

    letter = "p"

    def __init__(self, max_wavelength: float = 10000, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(max_wavelength, int | float) or not 0 < max_wavelength < math.inf:
            raise UsageError(
                f"SinePositionEncoding({max_wavelength!r})", "expected a positive number", "10000"
            )
        self.max_wavelength = float(max_wavelength)

    def describe(self) -> str:
        """As written."""
        given = "" if self.max_wavelength == 10000 else f"{self.max_wavelength:g}"
        return f"SinePositionEncoding({given})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Of the shape of `x`: `(batch, ..., length, features)`."""
        (x,) = inputs
        length, features = _sequence(self, x)
        position = reshape(arange(length, dtype=x.dtype), (length, 1))
        place = arange(features, dtype="int32")
        even = (2 * floor_divide(place, 2)).astype(x.dtype)
        angle = position * exp(even * (-math.log(self.max_wavelength) / features))
        waves = where(remainder(place, 2) == 0, sin(angle), cos(angle))
        return broadcast_to(waves, x.shape)


def _sequence(layer: BaseLayer, x: Tensor) -> tuple[int | Size, int]:
    """The length of a sequence and the size of its vectors."""
    if x.ndim < 3 or isinstance(x.shape[-1], Size) or not x.node.type.is_float:
        raise ShapeError(
            f"{layer.describe()} on {x.node.type}",
            "expected a sequence of vectors of floats: batch, length, features",
            "an Embedding makes one of labels",
        )
    return x.shape[-2], x.shape[-1]
