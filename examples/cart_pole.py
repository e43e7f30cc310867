"""Reinforcement learning: a pole is balanced on a cart, by the gradient of what chance decides.

A cart on a track of 4.8 m is pushed left or right, fifty times a second. An episode lasts until the
pole on it leans by 12 degrees, the cart leaves the track, or 500 steps are over. The policy is a
network that gives the probability of a push to the right; actions are drawn, so there is no
derivative of what they bring about. But there is one of the expected length of an episode:

    d E[length] = E[ sum_t d log pi(a_t | s_t) (steps still to come - baseline) ]

All episodes of a batch are one loop in the graph: physics, policy and chance. The gradient goes
back through it, and both are compiled into one native function.

Source: Barto, Sutton and Anderson 1983, "Neuronlike adaptive elements that can solve difficult
learning control problems", for the task; Williams 1992, "Simple statistical gradient-following
algorithms", for REINFORCE.
"""

import math

import numpy as np

import chainrule as cr

STEPS, EPISODES, UNITS = 500, 32, 16
GRAVITY, CART, POLE, HALF, FORCE, DT = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02

start = cr.tensor("start", ("episodes", 4))
chances = cr.tensor("chances", ("steps", "episodes"))
shapes = {"W1": (4, UNITS), "b1": (UNITS,), "W2": (UNITS,)}
weights = [cr.tensor(name, shape) for name, shape in shapes.items()]


def physics(state, force):
    """The state 0.02 s later: the cart's place and speed, the pole's angle and its speed."""
    x, dx, angle, turning = (state[:, i] for i in range(4))
    sine, cosine = cr.sin(angle), cr.cos(angle)
    pushed = (force + POLE * HALF * turning**2 * sine) / (CART + POLE)
    falling = GRAVITY * sine - cosine * pushed
    bend = falling / (HALF * (4 / 3 - POLE * cosine**2 / (CART + POLE)))
    speed_up = pushed - POLE * HALF * bend * cosine / (CART + POLE)
    later = [x + DT * dx, dx + DT * speed_up, angle + DT * turning, turning + DT * bend]
    return cr.stack(later, axis=1)


def step(carry, chance):
    """One step of all episodes: those that are over stay over."""
    state, going = carry
    W1, b1, W2 = weights
    z = cr.tanh(state @ W1 + b1) @ W2
    right = chance < cr.sigmoid(z)
    # log of sigmoid(z), or of 1 - sigmoid(z).
    log_probability = cr.where(right, -cr.softplus(-z), -cr.softplus(z))
    state = physics(state, cr.where(right, FORCE, -FORCE))
    upright = (cr.abs(state[:, 0]) < 2.4) & (cr.abs(state[:, 2]) < math.radians(12))
    going_on = going * upright.astype("float32")
    return (state, going_on), (log_probability, going)


_, (log_probabilities, going) = cr.scan(step, (start, cr.ones_like(start[:, 0])), chances)
length = cr.sum(going, axis=0)
to_come = cr.flip(cr.cumulative_sum(cr.flip(going, axis=0), axis=0), axis=0)
# What an episode has to come beyond the others that are still going, in the same step.
others = cr.sum(to_come, axis=1, keepdims=True) / cr.sum(going, axis=1, keepdims=True)
advantage = cr.where(going > 0, to_come - cr.where(going > 0, others, 0.0), 0.0)
loss = -cr.mean(cr.sum(log_probabilities * cr.stop_gradient(advantage), axis=0))
play = cr.function(
    [start, chances, *weights], [cr.mean(length), *cr.grad(loss, weights)], name="cart_pole"
)


def draw(random, episodes=EPISODES):
    """How episodes begin, and the chances of all their steps."""
    begin = random.uniform(-0.05, 0.05, (episodes, 4)).astype("float32")
    return begin, random.random((STEPS, episodes), dtype="float32")


def learn(updates=60, seed=0, report=None):
    """Weights after some steps of Adam."""
    random = np.random.default_rng(seed)
    values = [random.normal(0, 0.5, shape).astype("float32") for shape in shapes.values()]
    first, second = ([np.zeros_like(v) for v in values] for _ in range(2))
    for k in range(1, updates + 1):
        steps, *slopes = play(*draw(random), *values)
        if report is not None:
            report(k, float(steps))
        for v, g, m, s in zip(values, slopes, first, second, strict=True):
            m += 0.1 * (g - m)
            s += 0.01 * (g**2 - s)
            v -= 0.05 * (m / (1 - 0.9**k)) / (np.sqrt(s / (1 - 0.99**k)) + 1e-8)
    return values


def average_length(values, episodes=1000, seed=1):
    """How many steps new episodes last, with the most probable action in each step."""
    begin, chance = draw(np.random.default_rng(seed), episodes)
    return float(play(begin, np.full_like(chance, 0.5), *values)[0])


def tell(update, steps):
    """Print how long episodes lasted, now and then."""
    if update % 10 == 0:
        print(f"update {update}: {steps:.1f} steps")


if __name__ == "__main__":
    values = learn(report=tell)
    print(f"1000 new episodes last {average_length(values):.1f} steps of {STEPS}")
