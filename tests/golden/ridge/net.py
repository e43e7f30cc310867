"""Linear regression with a penalty on the squares of the weights."""

import chainrule as cr

model = cr.Sequential([
    cr.Input((3,)),
    cr.Dense(1, kernel_regularizer=cr.L2(0.01)),
])
model.compile(loss="mse", optimizer=cr.SGD(0.1))
