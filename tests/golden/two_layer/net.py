"""Two layers with tanh, and squared error."""

import chainrule as cr

model = cr.Sequential([
    cr.Input((3,)),
    cr.Dense(4, activation="tanh"),
    cr.Dense(2),
])
model.compile(loss="mean_squared_error", optimizer=cr.SGD(0.1))
