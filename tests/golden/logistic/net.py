"""Logistic regression, in double precision."""

import chainrule as cr

model = cr.Sequential([cr.Input((3,), dtype="float64"), cr.Dense(1, activation="sigmoid")])
model.compile(loss="binary_crossentropy", optimizer=cr.SGD(0.1), metrics=["accuracy"])
