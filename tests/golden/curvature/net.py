"""A gradient of a gradient: the product of a Hessian and a vector."""

import chainrule as cr

x = cr.tensor("x", (None, 3))
w = cr.tensor("w", (3,))
v = cr.tensor("v", (3,))
loss = cr.mean(cr.log(1 + cr.exp(x @ w)))
(dw,) = cr.grad(loss, [w])
(hv,) = cr.grad(cr.sum(dw * v), [w])

function = cr.function([x, w, v], [loss, dw, hv], name="curvature")
