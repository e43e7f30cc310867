"""First values of parameters: small distributions, drawn on the host when a model is built.

Names, defaults and semantics are Keras 3's. Every parameter draws from a generator of its own, made
from the model's seed and the parameter's name (`generator`), so that adding a layer leaves the
first values of all others as they were.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from chainrule.compiler.errors import ShapeError, UnknownNameError, UsageError, nearest

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Shape = Sequence[int]
# The standard deviation of a standard normal variable cut off at -2 and 2:
# sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
TRUNCATED_DEVIATION = 0.87962566103423978


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """The random numbers of one parameter.

    Args:
        seed: the model's seed, not negative.
        path: the parameter's name or position; other paths give independent numbers.

    Returns:
        A generator that depends on seed and path alone.

    Example:
        >>> from chainrule.frontend.initializers import generator
        >>> generator(7, "W1").random() == generator(7, "W1").random()
        True
        >>> generator(7, "W1").random() == generator(7, "W2").random()
        False
    """
    import numpy as np

    # Words of a name end with 256, which no byte is, so ("a", "b") and ("ab",) differ.
    words: list[int] = []
    for part in path:
        words += [part] if isinstance(part, int) else [*part.encode(), 256]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(words)))


def fans(shape: Shape) -> tuple[int, int]:
    """How many numbers go into and come out of one unit of a parameter of this shape.

    A matrix is `(inputs, units)`; a convolution's kernel is `(*window, inputs, units)`.
    """
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


class Initializer(ABC):
    """A distribution of first values. Called with a generator, a shape and a dtype, it draws."""

    @abstractmethod
    def draw(self, random: np.random.Generator, shape: Shape) -> Array:
        """Float64 values of this shape."""

    def __call__(self, random: np.random.Generator, shape: Shape, dtype: str = "float32") -> Array:
        """Values of a parameter.

        Args:
            random: from `generator`.
            shape: the parameter's.
            dtype: `float32` or `float64`; values are drawn in float64 and rounded, so both dtypes
                start from the same point.

        Returns:
            A new array of this shape and dtype.
        """
        return self.draw(random, tuple(shape)).astype(dtype, order="C")

    def config(self) -> dict[str, Any]:
        """Name and settings, as plain data; `from_config` reads it back."""
        values = asdict(self)  # type: ignore[call-overload]
        return {"name": _name(type(self)), "settings": values}


@dataclass(frozen=True, slots=True)
class Constant(Initializer):
    """Every element is `value`."""

    value: float = 0.0

    def draw(self, random: np.random.Generator, shape: Shape) -> Array:
        """The value everywhere."""
        import numpy as np

        return np.full(shape, self.value, "float64")


@dataclass(frozen=True, slots=True)
class Zeros(Initializer):
    """Every element is 0."""

    def draw(self, random: np.random.Generator, shape: Shape) -> Array:
        """Zeros."""
        return Constant(0.0).draw(random, shape)


@dataclass(frozen=True, slots=True)
class Ones(Initializer):
    """Every element is 1."""

    def draw(self, random: np.random.Generator, shape: Shape) -> Array:
        """Ones."""
        return Constant(1.0).draw(random, shape)


@dataclass(frozen=True, slots=True)
class RandomUniform(Initializer):
    """Uniform between `minval` and `maxval`."""

    minval: float = -0.05
    maxval: float = 0.05

    def draw(self, random: np.random.Generator, shape: Shape) -> Array:
        """Uniform values."""
        return random.uniform(self.minval, self.maxval, shape)


@dataclass(frozen=True, slots=True)
class RandomNormal(Initializer):
    """Normal with this mean and standard deviation."""

    mean: float = 0.0
    stddev: float = 0.05

    def draw(self, random: np.random.Generator, shape: Shape) -> Array:
        """Normal values."""
        return random.normal(self.mean, self.stddev, shape)


@dataclass(frozen=True, slots=True)
class TruncatedNormal(Initializer):
    """Normal, without what lies more than two standard deviations from the mean.

    `stddev` is that of the normal distribution before its tails are cut off.
    """

    mean: float = 0.0
    stddev: float = 0.05

    def draw(self, random: np.random.Generator, shape: Shape) -> Array:
        """One uniform number an element, through the inverse of the distribution function."""
        from scipy.special import ndtr, ndtri

        quantiles = random.uniform(ndtr(-2.0), ndtr(2.0), shape)
        values: Array = self.mean + self.stddev * ndtri(quantiles)
        return values


Mode = Literal["fan_in", "fan_out", "fan_avg"]
Distribution = Literal["truncated_normal", "untruncated_normal", "uniform"]


@dataclass(frozen=True, slots=True)
class VarianceScaling(Initializer):
    """Mean 0 and variance `scale / n`, where n is the number of inputs, units, or their mean.

    Args:
        scale: the variance of a sum of n such products with inputs of variance 1.
        mode: what n is: `fan_in`, `fan_out` or `fan_avg`.
        distribution: `truncated_normal`, `untruncated_normal` or `uniform`.

    Raises:
        UsageError: scale is not positive, or mode or distribution is unknown.

    Example:
        >>> from chainrule.frontend.initializers import VarianceScaling, generator
        >>> W = VarianceScaling(2.0)(generator(0, "W1"), (400, 300))
        >>> bool(abs(W.var() * 400 / 2 - 1) < 0.02)
        True

    Source:
        LeCun et al. 1998, "Efficient BackProp", section 4.6; Glorot and Bengio 2010, eq. (12) and
        (16); He et al. 2015, eq. (10) and (14).
    """

    scale: float = 1.0
    mode: Mode = "fan_in"
    distribution: Distribution = "truncated_normal"

    def __post_init__(self) -> None:
        """Check the settings."""
        if not self.scale > 0:
            raise UsageError(
                f"scale={self.scale}", "expected a positive number", "1 keeps the variance"
            )
        for given, known in (
            (self.mode, ("fan_in", "fan_out", "fan_avg")),
            (self.distribution, ("truncated_normal", "untruncated_normal", "uniform")),
        ):
            if given not in known:
                raise UsageError(
                    f"VarianceScaling: {given!r} is unknown",
                    f"expected one of {', '.join(known)}",
                    nearest(given, known),
                )

    def draw(self, random: np.random.Generator, shape: Shape) -> Array:
        """Values of the wanted variance."""
        fan_in, fan_out = fans(shape)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        deviation = math.sqrt(self.scale / max(n, 1))
        if self.distribution == "uniform":
            limit = math.sqrt(3) * deviation  # the variance of U(-a, a) is a^2 / 3
            return random.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return random.normal(0.0, deviation, shape)
        # Without its tails a normal distribution is narrower: make up for it.
        return TruncatedNormal(0.0, deviation / TRUNCATED_DEVIATION).draw(random, shape)


class _Scaled(Initializer):
    """A variance scaling that has a name."""

    def draw(self, random: np.random.Generator, shape: Shape) -> Array:
        """Values of the wanted variance."""
        return self.scaling().draw(random, shape)

    @abstractmethod
    def scaling(self) -> VarianceScaling:
        """Which one."""


@dataclass(frozen=True, slots=True)
class GlorotUniform(_Scaled):
    """Uniform, variance 2 / (inputs + units). Source: Glorot and Bengio 2010, eq. (16)."""

    def scaling(self) -> VarianceScaling:
        """Variance 1 / mean."""
        return VarianceScaling(1.0, "fan_avg", "uniform")


@dataclass(frozen=True, slots=True)
class GlorotNormal(_Scaled):
    """Truncated normal, variance 2 / (inputs + units). Source: Glorot and Bengio 2010, eq. (12)."""

    def scaling(self) -> VarianceScaling:
        """Variance 1 / mean."""
        return VarianceScaling(1.0, "fan_avg", "truncated_normal")


@dataclass(frozen=True, slots=True)
class HeUniform(_Scaled):
    """Uniform, variance 2 / inputs: for relu. Source: He et al. 2015, eq. (10)."""

    def scaling(self) -> VarianceScaling:
        """Variance 2 / inputs."""
        return VarianceScaling(2.0, "fan_in", "uniform")


@dataclass(frozen=True, slots=True)
class HeNormal(_Scaled):
    """Truncated normal, variance 2 / inputs: for relu. Source: He et al. 2015, eq. (10)."""

    def scaling(self) -> VarianceScaling:
        """Variance 2 / inputs."""
        return VarianceScaling(2.0, "fan_in", "truncated_normal")


@dataclass(frozen=True, slots=True)
class LecunUniform(_Scaled):
    """Uniform, variance 1 / inputs. Source: LeCun et al. 1998, "Efficient BackProp", eq. (16)."""

    def scaling(self) -> VarianceScaling:
        """Variance 1 / inputs."""
        return VarianceScaling(1.0, "fan_in", "uniform")


@dataclass(frozen=True, slots=True)
class LecunNormal(_Scaled):
    """Truncated normal, variance 1 / inputs: for selu. Source: Klambauer et al. 2017, section 3."""

    def scaling(self) -> VarianceScaling:
        """Variance 1 / inputs."""
        return VarianceScaling(1.0, "fan_in", "truncated_normal")


@dataclass(frozen=True, slots=True)
class Orthogonal(Initializer):
    """`gain` times a matrix with orthonormal rows or columns, uniform among all such matrices.

    A parameter of more than two axes is a matrix of its last axis and all the others.

    Raises:
        ShapeError: the parameter has fewer than two axes.

    Source:
        Saxe et al. 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear
        networks"; Mezzadri 2007, "How to generate random matrices", section 5, for the signs.
    """

    gain: float = 1.0

    def draw(self, random: np.random.Generator, shape: Shape) -> Array:
        """Q of the QR factorization of a normal matrix, its signs such that R's diagonal is > 0."""
        import numpy as np

        if len(shape) < 2:
            raise ShapeError(
                f"an orthogonal parameter of shape {tuple(shape)}",
                "expected at least two axes",
                "initialize it with zeros, or with another distribution",
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(random.normal(size=(max(rows, columns), min(rows, columns))))
        q *= np.sign(np.diag(r))
        return self.gain * (q if rows >= columns else q.T).reshape(tuple(shape))


constant, zeros, ones = Constant(), Zeros(), Ones()
random_uniform, random_normal, truncated_normal = RandomUniform(), RandomNormal(), TruncatedNormal()
glorot_uniform, glorot_normal = GlorotUniform(), GlorotNormal()
he_uniform, he_normal = HeUniform(), HeNormal()
lecun_uniform, lecun_normal = LecunUniform(), LecunNormal()
variance_scaling, orthogonal = VarianceScaling(), Orthogonal()

INITIALIZERS: dict[str, Initializer] = {
    "constant": constant,
    "zeros": zeros,
    "ones": ones,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
    "truncated_normal": truncated_normal,
    "variance_scaling": variance_scaling,
    "glorot_uniform": glorot_uniform,
    "glorot_normal": glorot_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "lecun_uniform": lecun_uniform,
    "lecun_normal": lecun_normal,
    "orthogonal": orthogonal,
}
ALIASES = {"uniform": "random_uniform", "normal": "random_normal"}


def _name(kind: type[Initializer]) -> str:
    return next(name for name, known in INITIALIZERS.items() if type(known) is kind)


def initializer(given: Initializer | type[Initializer] | str | float) -> Initializer:
    """The initializer that is meant.

    Args:
        given: an initializer or its class, its name as Keras has it, or a number for all elements.

    Returns:
        The initializer.

    Raises:
        UnknownNameError: no initializer has this name.
        UsageError: it is something else.

    Example:
        >>> from chainrule.frontend.initializers import initializer
        >>> initializer("he_normal")
        HeNormal()
        >>> initializer(0.5)
        Constant(value=0.5)
    """
    if isinstance(given, Initializer):
        return given
    if isinstance(given, str):
        name = ALIASES.get(given, given)
        if name not in INITIALIZERS:
            raise UnknownNameError(
                f"unknown initializer {given!r}",
                "expected the name of a built-in initializer",
                nearest(given, [*INITIALIZERS, *ALIASES]),
            )
        return INITIALIZERS[name]
    if isinstance(given, type) and issubclass(given, Initializer):
        return given()
    if isinstance(given, int | float) and not isinstance(given, bool):
        return Constant(float(given))
    raise UsageError(
        f"an initializer cannot be {type(given).__name__}",
        "expected an initializer, its name, or a number",
        "such as 'glorot_uniform', RandomNormal(stddev=0.1) or 0.0",
    )


def from_config(config: Mapping[str, Any]) -> Initializer:
    """The initializer that `config` describes.

    Raises:
        UnknownNameError: no initializer has this name, or it has no such setting.
    """
    kind = type(initializer(str(config["name"])))
    settings = dict(config["settings"])
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in settings:
        if name not in known:
            raise UnknownNameError(
                f"{kind.__name__} has no setting {name!r}",
                f"its settings are {', '.join(known) or 'none'}",
                nearest(name, known),
            )
    return kind(**settings)
