"""Huber's loss, and RMSprop."""

import chainrule as cr

model = cr.Sequential([
    cr.Input((3,)),
    cr.Dense(4, activation="softplus"),
    cr.Dense(1),
])
model.compile(loss="huber", optimizer=cr.RMSprop(0.01))
