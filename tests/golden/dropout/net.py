"""Dropout between two layers."""

import chainrule as cr

model = cr.Sequential([
    cr.Input((3,)),
    cr.Dense(6, activation="relu"),
    cr.Dropout(0.5),
    cr.Dense(2),
])
model.compile(loss="mse", optimizer=cr.SGD(0.1))
