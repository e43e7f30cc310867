"""curvature. Target cpu.

           y = sum(max(x w, 0) + log1p(exp(-|x w|))) / batch
net.py:8   dy/dw = (sigmoid(x w) / batch) x
net.py:8   gradient_w = (sigmoid(x w) * sigmoid(-x w) * (x v) / batch) x
"""

from chainrule.runtime.devices.cpu.library import (
    abs,
    accumulate,
    exp,
    f32,
    f64,
    gather_rows,
    isfinite,
    kernel,
    log1p,
    maximum,
    program,
    sigmoid,
    view,
)


# net.py:8   dy/dw = (sigmoid(x w) / batch) x
# net.py:8   gradient_w = (sigmoid(x w) * sigmoid(-x w) * (x v) / batch) x
#            y = sum(max(x w, 0) + log1p(exp(-|x w|))) / batch
@kernel
def k1_y(batch, x, w, v, dy_dw, gradient_w, y):
    sum_plus = f64(0.0)
    for i in range(3):
        dy_dw[i] = f32(0.0)
    for i in range(3):
        gradient_w[i] = f32(0.0)
    for i in range(batch):
        sum_product = f64(0.0)
        sum_product_2 = f64(0.0)
        for j in range(3):
            x_ij = x[i, j]
            sum_product = accumulate(sum_product, f64(x_ij * w[j]))
            sum_product_2 = accumulate(sum_product_2, f64(x_ij * v[j]))
        x_v_i = f32(sum_product_2)
        x_w_i = f32(sum_product)
        sum_plus = accumulate(sum_plus, f64(maximum(x_w_i, f32(0.0)) + log1p(exp(-abs(x_w_i)))))
        logistic_i = sigmoid(x_w_i)
        ratio_i = logistic_i / f32(batch)
        for j in range(3):
            dy_dw[j] = dy_dw[j] + x[i, j] * ratio_i
        ratio_2_i = logistic_i * sigmoid(-x_w_i) * x_v_i / f32(batch)
        for j in range(3):
            gradient_w[j] = gradient_w[j] + x[i, j] * ratio_2_i
    total_0 = f32(sum_plus)
    y[0] = total_0 / f32(batch)


@program
def step(batch, x, w, v, y, dy_dw, gradient_w, x_batch, fault):
    k1_y(batch, x, w, v, dy_dw, gradient_w, y)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, w, v, y, dy_dw, gradient_w, x_batch, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = view(x_batch, (rows, 3))
        gather_rows(x, order, start, x_rows)
        step(rows, x_rows, w, v, y, dy_dw, gradient_w, x_batch, fault)
        if fault[0] != 0 or not isfinite(y[0]):
            break
        totals[0] += f64(rows) * f64(y[0])
        done += 1
    return done
