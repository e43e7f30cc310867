"""rooted, for NumPy: a statement a node.

net.py:20   y = mean(scan(x, w)²)
net.py:20   dy/dw = …

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np


def rooted(x, w):
    cond_steps = np.empty((x.shape[0],), np.float64)
    contract_steps = np.empty((x.shape[0],), np.float64)
    for t in range(x.shape[0]):
        x_2 = x[t]
        product = x_2 @ w  # product = x_2 · w
        if product > 0:
            r = product
            t_2 = 0
            while np.abs(np.square(r) - product) > 1e-09:
                if t_2 == 50:
                    raise RuntimeError("net.py:13: while_loop is still going after 50 steps")
                r = (r + product / r) / 2
                t_2 += 1
            chosen = r
        else:
            chosen = np.expm1(product)
        cond_steps[t] = chosen
        contract_steps[t] = product
    y = np.mean(cond_steps**2)  # net.py:20   y = mean(cond_steps²)
    fixed = 2 * cond_steps / x.shape[0]
    cond_steps_2 = np.empty((x.shape[0],), np.float64)
    for t_3 in reversed(range(x.shape[0])):
        d_y = fixed[t_3]
        contract = contract_steps[t_3]
        if contract > 0:
            r_2 = contract
            r_steps = np.zeros((50,), np.float64)
            steps = np.int64(0)
            while np.abs(np.square(r_2) - contract) > 1e-09:
                if steps == 50:
                    raise RuntimeError("net.py:13: while_loop is still going after 50 steps")
                r_steps[steps] = r_2
                r_2 = (r_2 + contract / r_2) / 2
                steps += 1
            d_r = d_y
            total = np.float64(0)
            for t_4 in reversed(range(steps)):
                r_3 = r_steps[t_4]
                half_d_r = d_r / 2  # half_d_r = d_r / 2
                d_r, total = half_d_r - contract / r_3 / r_3 * half_d_r, total + half_d_r / r_3
            chosen_2 = d_r + total
        else:
            chosen_2 = d_y * np.exp(contract)
        cond_steps_2[t_3] = chosen_2
    dy_dw = cond_steps_2 @ x    #             dy/dw = cond_steps_2 x
    return y, dy_dw


def step(x, w):
    """Outputs, then every parameter and state, new where there is a new value."""
    y, dy_dw = rooted(x, w)
    return y, dy_dw
