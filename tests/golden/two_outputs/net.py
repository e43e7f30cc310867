"""One body, two heads, a loss for each."""

import chainrule as cr

x = cr.Input((4,))
h = cr.Dense(5, activation="tanh")(x)
size = cr.Dense(1, name="size")(h)
kind = cr.Dense(3, name="kind")(h)

model = cr.Model(inputs=x, outputs=[size, kind])
model.compile(loss=["mse", "sparse_categorical_crossentropy_from_logits"], optimizer=cr.SGD(0.1))
