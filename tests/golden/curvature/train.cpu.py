"""curvature. Target cpu.

net.py:8   y = sum(max(x w, 0) + log1p(exp(-|x w|))) / batch
net.py:8   dy/dw = (sigmoid(x w) / batch) x
net.py:8   gradient_w = (sigmoid(x w) * sigmoid(-x w) * (x v) / batch) x

The turns of a prange, a panel of rows or a row each, go in any order. What is added up over
all rows is added up in each panel, in arrays called _parts, and then over the panels.
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
    local_array,
    log1p,
    matmul,
    matmul_tn,
    maximum,
    prange,
    program,
    sigmoid,
    view,
)


# net.py:8   y = sum(max(x w, 0) + log1p(exp(-|x w|))) / batch
@kernel
def k1_y(batch, x, w, x_w, logistic, total_parts, ratio, y):
    w_view = view(w, (3, 1))
    x_w_view = view(x_w, (batch, 1))
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        matmul(x[first:last], w_view, x_w_view[first:last])
        sum_plus = f64(0.0)
        for i in range(first, last):
            x_w_i = x_w[i]
            sum_plus = accumulate(sum_plus, f64(maximum(x_w_i, f32(0.0)) + log1p(exp(-abs(x_w_i)))))
            logistic_i = sigmoid(x_w_i)
            logistic[i] = logistic_i
            ratio[i] = logistic_i / f32(batch)
        total_parts[panel] = sum_plus
    # The total_parts of all panels, added up.
    sum_total_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts = accumulate(sum_total_parts, total_parts[i])
    total_0 = f32(sum_total_parts)
    y[0] = total_0 / f32(batch)


# net.py:8   dy/dw = (sigmoid(x w) / batch) x
# likewise
# net.py:8   gradient_w
@kernel
def k2_dy_dw(batch, x, ratio, dy_dw):
    ratio_view = view(ratio, (batch, 1))
    dy_dw_view = view(dy_dw, (3, 1))
    matmul_tn(x, ratio_view, dy_dw_view)


# net.py:8   ratio_2 = sigmoid(x w) * sigmoid(-x w) * (x v) / batch
@kernel
def k3_ratio_2(batch, x, v, logistic, x_w, ratio_2):
    v_view = view(v, (3, 1))
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        x_v = local_array((32,), f32)
        x_v_view = view(x_v, (32, 1))
        matmul(x[first:last], v_view, x_v_view[0 : last - first])
        for i in range(first, last):
            ratio_2[i] = logistic[i] * sigmoid(-x_w[i]) * x_v[i - first] / f32(batch)


@program
def step(
    batch, x, w, v, y, dy_dw, gradient_w, x_batch, scratch_1, scratch_2, scratch_3, scratch_4,
    fault,
):
    x_w = view(scratch_1, (batch,))
    total_parts = view(scratch_2, ((batch + 31) // 32,))
    ratio = view(scratch_3, (batch,))
    ratio_2 = view(scratch_3, (batch,))
    logistic = view(scratch_4, (batch,))
    k1_y(batch, x, w, x_w, logistic, total_parts, ratio, y)
    k2_dy_dw(batch, x, ratio, dy_dw)
    k3_ratio_2(batch, x, v, logistic, x_w, ratio_2)
    k2_dy_dw(batch, x, ratio_2, gradient_w)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, w, v, y, dy_dw, gradient_w, x_batch,
    scratch_1, scratch_2, scratch_3, scratch_4, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = view(x_batch, (rows, 3))
        gather_rows(x, order, start, x_rows)
        step(
            rows, x_rows, w, v, y, dy_dw, gradient_w, x_batch, scratch_1, scratch_2, scratch_3,
            scratch_4, fault,
        )
        if fault[0] != 0 or not isfinite(y[0]):
            break
        totals[0] += f64(rows) * f64(y[0])
        done += 1
    return done
