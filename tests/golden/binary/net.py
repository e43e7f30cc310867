"""Binary cross entropy from logits, and an activation of the user's own."""

import chainrule as cr

swish = cr.activation(lambda z: z * cr.sigmoid(z), name="swish")

model = cr.Sequential([
    cr.Input((4,)),
    cr.Dense(5, activation=swish),
    cr.Dense(1),
])
model.compile(loss="binary_crossentropy_from_logits", optimizer=cr.SGD(0.1, momentum=0.9))
