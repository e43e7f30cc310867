"""A loop that ends by a condition, in a branch, for each row: with its gradient."""

import chainrule as cr

x = cr.tensor("x", (None, 3), "float64")
w = cr.tensor("w", (3,), "float64")


def rooted(row):
    a = row @ w
    return cr.cond(
        a > 0,
        lambda: cr.while_loop(
            lambda r: cr.abs(r * r - a) > 1e-9, lambda r: (r + a / r) / 2, a, max_steps=50
        ),
        lambda: cr.exp(a) - 1,
    )


y = cr.mean(cr.map(rooted, x) ** 2)
function = cr.function([x, w], [y, cr.grad(y, w)], name="rooted")
