"""Five layers, three of them alike: one function serves what is the same but for its arrays."""

import chainrule as cr

model = cr.Sequential([
    cr.Input((4,)),
    cr.Dense(8, activation="tanh"),
    cr.Dense(8, activation="tanh"),
    cr.Dense(8, activation="tanh"),
    cr.Dense(8, activation="tanh"),
    cr.Dense(2),
])
model.compile(loss="mse", optimizer=cr.SGD(0.1, momentum=0.9))
