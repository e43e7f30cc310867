"""A ReLU network with softmax cross entropy from class numbers, and Adam."""

import chainrule as cr

model = cr.Sequential([
    cr.Input((6,)),
    cr.Dense(8, activation="relu"),
    cr.Dense(3),
])
model.compile(
    loss="sparse_categorical_crossentropy_from_logits",
    optimizer=cr.Adam(1e-3),
    metrics=["accuracy"],
)
