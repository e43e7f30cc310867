"""What is left of Poisson's equation: a loss of second derivatives, and its gradients."""

import chainrule as cr

x = cr.Input((2,))
h = cr.Dense(48, activation="tanh")(cr.Dense(48, activation="tanh")(x))
u = cr.Dense(1)(h)[:, 0]
model = cr.Model(x, cr.laplacian(u, x) + cr.sin(x[:, 0]) * cr.sin(x[:, 1]))
model.compile("mse", cr.SGD(0.1))
