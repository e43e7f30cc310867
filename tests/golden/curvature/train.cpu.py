"""curvature: target cpu."""

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
    view,
    where,
)


# net.py:8   dy/dw = ((1 / (1 + exp(-|x w|)) if x w ≥ 0 else exp(-|x w|) / (1 + exp(-|x w|))) / batch) x
# net.py:8   dy_dw_ = ((1 / (1 + exp(-|x w|)) if x w ≥ 0 else exp(-|x w|) / (1 + exp(-|x w|))) * (1 / (1 + exp(-|-x w|)) if -x w ≥ 0 else exp(-|-x w|) / (1 + exp(-|-x w|))) * (x v) / batch) x
# y = sum(max(x w, 0) + log1p(exp(-|x w|))) / batch
@kernel
def k1_y(batch, x, w, v, dy_dw, dy_dw_2, y):
    total = f64(0.0)
    for i in range(3):
        dy_dw[i] = f32(0.0)
    for i in range(3):
        dy_dw_2[i] = f32(0.0)
    for i in range(batch):
        total_2 = f64(0.0)
        total_3 = f64(0.0)
        for j in range(3):
            x_ij = x[i, j]
            total_2 = accumulate(total_2, f64(x_ij * w[j]))
            total_3 = accumulate(total_3, f64(x_ij * v[j]))
        x_v_i = f32(total_3)
        x_w_i = f32(total_2)
        exp_1_i = exp(-abs(x_w_i))
        total = accumulate(total, f64(maximum(x_w_i, f32(0.0)) + log1p(exp_1_i)))
        sum_i = f32(1.0) + exp_1_i
        choice_i = where(x_w_i >= f32(0.0), f32(1.0) / sum_i, exp_1_i / sum_i)
        divide_1_i = choice_i / f32(batch)
        for j in range(3):
            dy_dw[j] = dy_dw[j] + x[i, j] * divide_1_i
        minus_i = -x_w_i
        exp_i = exp(-abs(minus_i))
        sum_i_2 = f32(1.0) + exp_i
        choice_i_2 = where(minus_i >= f32(0.0), f32(1.0) / sum_i_2, exp_i / sum_i_2)
        divide_1_2_i = choice_i * choice_i_2 * x_v_i / f32(batch)
        for j in range(3):
            dy_dw_2[j] = dy_dw_2[j] + x[i, j] * divide_1_2_i
    sum_1_0 = f32(total)
    y[0] = sum_1_0 / f32(batch)


@program
def step(batch, x, w, v, y, dy_dw, dy_dw_2, x_batch, fault):
    k1_y(batch, x, w, v, dy_dw, dy_dw_2, y)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, w, v, y, dy_dw, dy_dw_2, x_batch, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = view(x_batch, (rows, 3))
        gather_rows(x, order, start, x_rows)
        step(rows, x_rows, w, v, y, dy_dw, dy_dw_2, x_batch, fault)
        if fault[0] != 0 or not isfinite(y[0]):
            break
        totals[0] += f64(rows) * f64(y[0])
        done += 1
    return done
