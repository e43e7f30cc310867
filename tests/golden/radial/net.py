"""A neuron of the user's own: a bump around a center that is learned."""

import chainrule as cr


@cr.neuron
def bump(x, c: cr.PerInput, gamma: cr.Scalar = 1.0):
    return cr.exp(-gamma * cr.sum((x - c) ** 2))


model = cr.Sequential([
    cr.Input((3,)),
    cr.Layer(bump, 5),
    cr.Dense(1),
])
model.compile(loss="mse", optimizer=cr.SGD(0.05))
