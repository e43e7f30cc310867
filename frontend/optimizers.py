"""Optimizers, as formulas. Names, defaults and semantics are Keras 3's.

A formula gets a parameter `p`, its gradient `g` and its states, and returns the new parameter and
the new states. Before it is applied, gradients may be clipped and parameters decayed: all of them
also take `weight_decay`, `clipvalue`, `clipnorm` and `global_clipnorm` (see `transforms`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .formula import Optimizer, Scalar, State, Step, optimizer
from .functions.elementwise import abs, maximum, sign, sqrt, square
from .tensor import Tensor


@optimizer
def SGD(
    p: Tensor,
    g: Tensor,
    v: State = 0.0,
    learning_rate: float = 0.01,
    momentum: float | None = None,
    nesterov: bool = False,
) -> Any:
    """Gradient descent, with momentum if wanted.

        p <- p - learning_rate g                               without momentum
        v <- momentum v - learning_rate g,  p <- p + v
        p <- p + momentum v - learning_rate g                  with Nesterov's look ahead

    Args:
        p: a parameter.
        g: its gradient.
        v: its velocity.
        learning_rate: the length of a step.
        momentum: how much of the velocity is kept, in [0, 1); None or 0: there is none.
        nesterov: look ahead along the velocity.

    Example:
        >>> import chainrule as cr
        >>> cr.SGD(0.1, momentum=0.9, nesterov=True)
        SGD(learning_rate=0.1, momentum=0.9, nesterov=True)

    Source:
        Polyak 1964, "Some methods of speeding up the convergence of iteration methods"; Sutskever
        et al. 2013, "On the importance of initialization and momentum", eq. (3) and (4).
    """
    if momentum is None:
        return p - learning_rate * g, None
    v = momentum * v - learning_rate * g
    return p + momentum * v - learning_rate * g if nesterov else p + v, v


@optimizer
def Adam(
    p: Tensor,
    g: Tensor,
    t: Step,
    m: State = 0.0,
    v: State = 0.0,
    v_max: State = 0.0,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
) -> Any:
    """Adaptive moment estimation.

        m <- m + (1 - beta_1) (g - m)
        v <- v + (1 - beta_2) (g^2 - v)
        p <- p - alpha m / (sqrt(v) + epsilon),
             alpha = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t)

    As in Keras, `epsilon` is "epsilon hat" of the paper's section 2: it is added before the bias
    of v is corrected.

    Args:
        p: a parameter.
        g: its gradient.
        t: the step.
        m: the mean of the gradient.
        v: the mean of its square.
        v_max: the largest v so far, kept if `amsgrad`.
        learning_rate: about the length of a step.
        beta_1: how much of m is kept.
        beta_2: how much of v is kept.
        epsilon: keeps the quotient finite.
        amsgrad: divide by the largest v so far.

    Example:
        >>> import chainrule as cr
        >>> cr.Adam(3e-4)
        Adam(learning_rate=0.0003)

    Source:
        Kingma and Ba 2015, "Adam: a method for stochastic optimization", section 2; Reddi et al.
        2018, "On the convergence of Adam and beyond", algorithm 2.
    """
    alpha = learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t)
    m = m + (1 - beta_1) * (g - m)
    v = v + (1 - beta_2) * (square(g) - v)
    if not amsgrad:
        return p - alpha * m / (sqrt(v) + epsilon), m, v, None
    v_max = maximum(v_max, v)
    return p - alpha * m / (sqrt(v_max) + epsilon), m, v, v_max


@optimizer
def AdamW(
    p: Tensor,
    g: Tensor,
    t: Step,
    m: State = 0.0,
    v: State = 0.0,
    v_max: State = 0.0,
    learning_rate: float = 0.001,
    weight_decay: float = 0.004,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
) -> Any:
    """Adam with decoupled weight decay: first p <- p - learning_rate weight_decay p, then Adam.

    Args:
        p: a parameter.
        g: its gradient.
        t: the step.
        m: the mean of the gradient.
        v: the mean of its square.
        v_max: the largest v so far, kept if `amsgrad`.
        learning_rate: about the length of a step.
        weight_decay: what is taken off the parameter, relative to it and to the learning rate.
        beta_1: how much of m is kept.
        beta_2: how much of v is kept.
        epsilon: keeps the quotient finite.
        amsgrad: divide by the largest v so far.

    Example:
        >>> import chainrule as cr
        >>> cr.AdamW(1e-3, weight_decay=0.01)
        AdamW(weight_decay=0.01)

    Source:
        Loshchilov and Hutter 2019, "Decoupled weight decay regularization", algorithm 2.
    """
    p = p - (learning_rate * weight_decay) * p
    return Adam.function(p, g, t, m, v, v_max, learning_rate, beta_1, beta_2, epsilon, amsgrad)


@optimizer
def RMSprop(
    p: Tensor,
    g: Tensor,
    v: State = 0.0,
    m: State = 0.0,
    u: State = 0.0,
    learning_rate: float = 0.001,
    rho: float = 0.9,
    momentum: float | None = None,
    epsilon: float = 1e-7,
    centered: bool = False,
) -> Any:
    """Gradients divided by the root of their mean square.

        v <- rho v + (1 - rho) g^2,   p <- p - learning_rate g / sqrt(v + epsilon)

    Centered, v - m^2 stands for v, with m <- rho m + (1 - rho) g the mean; with momentum,
    u <- momentum u + step and p <- p - u.

    Args:
        p: a parameter.
        g: its gradient.
        v: the mean of the gradient's square.
        m: the mean of the gradient, kept if `centered`.
        u: the velocity, kept with momentum.
        learning_rate: about the length of a step.
        rho: how much of the means is kept.
        momentum: how much of the velocity is kept, in [0, 1); None or 0: there is none.
        epsilon: keeps the quotient finite; as in Keras it stands under the root.
        centered: divide by the standard deviation instead.

    Example:
        >>> import chainrule as cr
        >>> cr.RMSprop(0.01, centered=True)
        RMSprop(learning_rate=0.01, centered=True)

    Source:
        Hinton 2012, "Neural networks for machine learning", lecture 6e; Graves 2013, "Generating
        sequences with recurrent neural networks", eq. (38) to (45).
    """
    v = rho * v + (1 - rho) * square(g)
    if centered:
        m = rho * m + (1 - rho) * g
        step = learning_rate * g / sqrt(v - square(m) + epsilon)
    else:
        m = None
        step = learning_rate * g / sqrt(v + epsilon)
    if momentum is None:
        return p - step, v, m, None
    u = momentum * u + step
    return p - u, v, m, u


@optimizer
def Adagrad(
    p: Tensor,
    g: Tensor,
    a: State = "initial_accumulator_value",
    learning_rate: float = 0.001,
    initial_accumulator_value: float = 0.1,
    epsilon: float = 1e-7,
) -> Any:
    """Gradients divided by the root of the sum of all their squares so far.

        a <- a + g^2,   p <- p - learning_rate g / sqrt(a + epsilon)

    Args:
        p: a parameter.
        g: its gradient.
        a: the sum of squares.
        learning_rate: the length of the first step.
        initial_accumulator_value: what the sum starts from.
        epsilon: keeps the quotient finite; as in Keras it stands under the root.

    Example:
        >>> import chainrule as cr
        >>> cr.Adagrad(0.01)
        Adagrad(learning_rate=0.01)

    Source:
        Duchi, Hazan and Singer 2011, "Adaptive subgradient methods", figure 1, with diagonal
        matrices.
    """
    a = a + square(g)
    return p - learning_rate * g / sqrt(a + epsilon), a


@optimizer
def Adadelta(
    p: Tensor,
    g: Tensor,
    a: State = 0.0,
    d: State = 0.0,
    learning_rate: float = 0.001,
    rho: float = 0.95,
    epsilon: float = 1e-7,
) -> Any:
    """Steps in the parameter's own unit: their mean square over that of the gradients.

        a <- rho a + (1 - rho) g^2
        s = g sqrt(d + epsilon) / sqrt(a + epsilon)
        d <- rho d + (1 - rho) s^2,   p <- p - learning_rate s

    Args:
        p: a parameter.
        g: its gradient.
        a: the mean square of the gradient.
        d: the mean square of the steps.
        learning_rate: a factor of the step, 1 in the paper.
        rho: how much of the means is kept.
        epsilon: starts the steps.

    Example:
        >>> import chainrule as cr
        >>> cr.Adadelta(1.0)
        Adadelta(learning_rate=1.0)

    Source:
        Zeiler 2012, "ADADELTA: an adaptive learning rate method", algorithm 1.
    """
    a = rho * a + (1 - rho) * square(g)
    s = g * sqrt(d + epsilon) / sqrt(a + epsilon)
    d = rho * d + (1 - rho) * square(s)
    return p - learning_rate * s, a, d


@optimizer
def Adamax(
    p: Tensor,
    g: Tensor,
    t: Step,
    m: State = 0.0,
    u: State = 0.0,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> Any:
    """Adam with the largest gradient in place of the mean square.

        m <- m + (1 - beta_1) (g - m)
        u <- max(beta_2 u, |g|)
        p <- p - learning_rate / (1 - beta_1^t) m / (u + epsilon)

    Args:
        p: a parameter.
        g: its gradient.
        t: the step.
        m: the mean of the gradient.
        u: the largest gradient, which decays.
        learning_rate: about the length of a step.
        beta_1: how much of m is kept.
        beta_2: how much of u is kept.
        epsilon: keeps the quotient finite.

    Example:
        >>> import chainrule as cr
        >>> cr.Adamax(0.002)
        Adamax(learning_rate=0.002)

    Source:
        Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 2.
    """
    m = m + (1 - beta_1) * (g - m)
    u = maximum(beta_2 * u, abs(g))
    return p - learning_rate / (1 - beta_1**t) * m / (u + epsilon), m, u


@optimizer
def Nadam(
    p: Tensor,
    g: Tensor,
    t: Step,
    m: State = 0.0,
    v: State = 0.0,
    product: Scalar = 1.0,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    momentum_decay: float = 1.0,
) -> Any:
    """Adam with Nesterov's look ahead.

        mu(t) = beta_1 (1 - 0.96^(momentum_decay t) / 2),   product <- product mu(t)
        m <- m + (1 - beta_1) (g - m)
        v <- v + (1 - beta_2) (g^2 - v)
        step = mu(t+1) m / (1 - product mu(t+1)) + (1 - mu(t)) g / (1 - product)
        p <- p - learning_rate step / (sqrt(v / (1 - beta_2^t)) + epsilon)

    Args:
        p: a parameter.
        g: its gradient.
        t: the step.
        m: the mean of the gradient.
        v: the mean of its square.
        product: of all mu so far.
        learning_rate: about the length of a step.
        beta_1: how much of m is kept, in the end.
        beta_2: how much of v is kept.
        epsilon: keeps the quotient finite.
        momentum_decay: how fast mu grows: 1 as in Keras, 0.004 in the paper.

    Example:
        >>> import chainrule as cr
        >>> cr.Nadam(0.002)
        Nadam(learning_rate=0.002)

    Source:
        Dozat 2016, "Incorporating Nesterov momentum into Adam", algorithm 2.
    """
    now = beta_1 * (1 - 0.5 * 0.96 ** (momentum_decay * t))
    ahead = beta_1 * (1 - 0.5 * 0.96 ** (momentum_decay * (t + 1)))
    product = product * now
    m = m + (1 - beta_1) * (g - m)
    v = v + (1 - beta_2) * (square(g) - v)
    step = ahead / (1 - product * ahead) * m + (1 - now) / (1 - product) * g
    root = sqrt(v / (1 - beta_2**t))
    return p - learning_rate * step / (root + epsilon), m, v, product


@optimizer
def Lion(
    p: Tensor,
    g: Tensor,
    m: State = 0.0,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.99,
) -> Any:
    """Steps of one length, in the direction of the sign.

        p <- p - learning_rate sign(beta_1 m + (1 - beta_1) g)
        m <- beta_2 m + (1 - beta_2) g

    Args:
        p: a parameter.
        g: its gradient.
        m: the mean of the gradient.
        learning_rate: the length of a step of each element.
        beta_1: how much of m is in the direction.
        beta_2: how much of m is kept.

    Example:
        >>> import chainrule as cr
        >>> cr.Lion(1e-4)
        Lion(learning_rate=0.0001)

    Source:
        Chen et al. 2023, "Symbolic discovery of optimization algorithms", program 1.
    """
    direction = sign(beta_1 * m + (1 - beta_1) * g)
    return p - learning_rate * direction, beta_2 * m + (1 - beta_2) * g


OPTIMIZERS: Mapping[str, Optimizer] = {
    formula.name.lower(): formula
    for formula in (SGD, Adam, AdamW, RMSprop, Adagrad, Adadelta, Adamax, Nadam, Lion)
}
