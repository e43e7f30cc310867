"""rooted. Target cpu.

net.py:20   y = sum(scan(x, w)²) / batch
net.py:20   dy/dw = (… in each step of scan(for d_y in 2 scan(x, w) / batch, contract in …)) x
"""

from chainrule.runtime.devices.cpu.library import (
    abs,
    accumulate,
    exp,
    expm1,
    f64,
    isfinite,
    kernel,
    matmul_tn,
    program,
    rows_in_order,
    view,
)


# net.py:14   goes_on = |r² - k| > 1e-09
# likewise
# net.py:14   goes_on
@kernel
def k1_goes_on_2(r, k_2, goes_on_2):
    r_0 = r[0]
    goes_on_2[0] = abs(r_0 * r_0 - k_2[0]) > f64(1e-09)


@program
def test_of_result_1(batch, k_2, r, goes_on_2, fault):
    k1_goes_on_2(r, k_2, goes_on_2)


# net.py:14   r <- (r + k / r) / 2
# likewise
# net.py:14   r
@kernel
def k1_r_2(k_3, r_2):
    r_2_0 = r_2[0]
    r_2[0] = (r_2_0 + k_3[0] / r_2_0) / f64(2.0)


@program
def step_of_result_1(batch, k_3, r_2, fault):
    k1_r_2(k_3, r_2)


# net.py:11   result_1 = k
# likewise
# net.py:13   stacked_1_3
# net.py:11   d_r
# net.py:11   r_3
@kernel
def k1_result_1(k, result_1):
    result_1[0] = k[0]


# net.py:13   result_1 = while(|r² - k| > 1e-09: r ← (r + k / r) / 2, from k)
@kernel
def k2_result_1(batch, k, goes_on, result_1, fault):
    turn = 0
    test_of_result_1(batch, k, result_1, goes_on, fault)
    while fault[0] == 0 and goes_on[0]:
        if turn == 50:
            fault[0] = 1
            break
        step_of_result_1(batch, k, result_1, fault)
        turn += 1
        test_of_result_1(batch, k, result_1, goes_on, fault)


@program
def then_of_stacked_1(batch, k, result_1, scratch_1_3, fault):
    goes_on = view(scratch_1_3, (1,))
    k1_result_1(k, result_1)
    k2_result_1(batch, k, goes_on, result_1, fault)


# net.py:16   result_1 = expm1(k)
@kernel
def k1_result_1_2(k_4, result_1_2):
    result_1_2[0] = expm1(k_4[0])


@program
def else_of_stacked_1(batch, k_4, result_1_2, fault):
    k1_result_1_2(k_4, result_1_2)


# net.py:10   stacked_2 = x · w
@kernel
def k1_stacked_2(x_2, w_2, stacked_2, test_stacked_2):
    sum_product = f64(0.0)
    for i in range(3):
        sum_product = accumulate(sum_product, x_2[i] * w_2[i])
    stacked_2[0] = sum_product
    test_stacked_2[0] = sum_product > f64(0.0)


# net.py:11   stacked_1 = while(|r² - stacked_2| > 1e-09: r ← (r + stacked_2 / r) / 2, from stacked_2) if stacked_2 > 0 else expm1(stacked_2)
@kernel
def k2_stacked_1(batch, test_stacked_2, stacked_2, stacked_1, scratch_1_3, fault):
    if test_stacked_2[0]:
        then_of_stacked_1(batch, stacked_2, stacked_1, scratch_1_3, fault)
    else:
        else_of_stacked_1(batch, stacked_2, stacked_1, fault)


@program
def step_of_contract_steps(batch, x_2, w_2, stacked_1, stacked_2, scratch_1_2, scratch_1_3, fault):
    test_stacked_2 = view(scratch_1_2, (1,))
    k1_stacked_2(x_2, w_2, stacked_2, test_stacked_2)
    k2_stacked_1(batch, test_stacked_2, stacked_2, stacked_1, scratch_1_3, fault)


@program
def test_of_r_steps(batch, k_6, r_4, goes_on_4, fault):
    k1_goes_on_2(r_4, k_6, goes_on_4)


@program
def step_of_r_steps(batch, k_7, r_5, stacked_1_3, fault):
    k1_result_1(r_5, stacked_1_3)
    k1_r_2(k_7, r_5)


# net.py:13   total <- total + d_r / (2 r)
@kernel
def k1_total_3(d_r_2, r_6, total_3):
    total_3[0] = total_3[0] + d_r_2[0] / f64(2.0) / r_6[0]


# net.py:14   d_r <- d_r / 2 - k * d_r / (r * r * 2)
@kernel
def k2_d_r_2(k_8, r_6, d_r_2):
    half_d_r_2 = d_r_2[0] / f64(2.0)
    r_6_0 = r_6[0]
    d_r_2[0] = half_d_r_2 - k_8[0] / r_6_0 / r_6_0 * half_d_r_2


@program
def step_of_total_2(batch, r_6, k_8, d_r_2, total_3, fault):
    k1_total_3(d_r_2, r_6, total_3)
    k2_d_r_2(k_8, r_6, d_r_2)


# total_2 = 0
@kernel
def k1_total_2(total_2):
    total_2[0] = f64(0.0)


# net.py:13   r_steps = r in each step of while(|r² - k| > 1e-09: r ← (r + k / r) / 2, from k)
@kernel
def k2_r_steps(batch, k_5, goes_on_3, steps, r_3, r_steps, fault):
    turn = 0
    test_of_r_steps(batch, k_5, r_3, goes_on_3, fault)
    while fault[0] == 0 and goes_on_3[0]:
        if turn == 50:
            fault[0] = 2
            break
        step_of_r_steps(batch, k_5, r_3, r_steps[turn:turn + 1], fault)
        turn += 1
        test_of_r_steps(batch, k_5, r_3, goes_on_3, fault)
    steps[0] = turn
    for i in range(turn, 50):
        r_steps[i] = f64(0.0)


# net.py:13   result_1 = (d_r of scan(d_r ← d_r / 2 - k * d_r / (r * r * 2), total ← total + d_r / (2 r), from slope, 0, for r in …)) + (total of scan(d_r ← d_r / 2 - k * d_r / (r * r * 2), total ← total + d_r / (2 r), from slope, 0, for r in …))
@kernel
def k3_result_1_3(batch, r_steps, k_5, steps, d_r, total_2, result_1_3, fault):
    taken = max(0, min(steps[0], 50))
    for turn in range(taken - 1, -1, -1):
        step_of_total_2(batch, r_steps[turn:turn + 1], k_5, d_r, total_2, fault)
    result_1_3[0] = d_r[0] + total_2[0]


@program
def then_of_stacked_1_2(
    batch, k_5, slope, result_1_3, scratch_1_5, scratch_2_2, scratch_3_2, scratch_4, scratch_5,
    scratch_6, fault,
):
    total_2 = view(scratch_1_5, (1,))
    d_r = view(scratch_2_2, (1,))
    r_3 = view(scratch_3_2, (1,))
    r_steps = view(scratch_4, (50,))
    goes_on_3 = view(scratch_5, (1,))
    steps = view(scratch_6, (1,))
    k1_total_2(total_2)
    k1_result_1(slope, d_r)
    k1_result_1(k_5, r_3)
    k2_r_steps(batch, k_5, goes_on_3, steps, r_3, r_steps, fault)
    k3_result_1_3(batch, r_steps, k_5, steps, d_r, total_2, result_1_3, fault)


# net.py:16   result_1 = slope * exp(k)
@kernel
def k1_result_1_4(slope_2, k_9, result_1_4):
    result_1_4[0] = slope_2[0] * exp(k_9[0])


@program
def else_of_stacked_1_2(batch, k_9, slope_2, result_1_4, fault):
    k1_result_1_4(slope_2, k_9, result_1_4)


# net.py:12   test_contract = contract > 0
@kernel
def k1_test_contract(contract_2, test_contract):
    test_contract[0] = contract_2[0] > f64(0.0)


# net.py:11   stacked_1 = (d_r of scan(d_r ← d_r / 2 - contract * d_r / (r * r * 2), total ← total + d_r / (2 r), from d_y, 0, for r in …)) + (total of scan(d_r ← d_r / 2 - contract * d_r / (r * r * 2), total ← total + d_r / (2 r), from d_y, 0, for r in …)) if contract > 0 else d_y * exp(contract)
@kernel
def k2_stacked_1_2(
    batch, test_contract, contract_2, d_y, stacked_1_2, scratch_1_5, scratch_2_2, scratch_3_2,
    scratch_4, scratch_5, scratch_6, fault,
):
    if test_contract[0]:
        then_of_stacked_1_2(
            batch, contract_2, d_y, stacked_1_2, scratch_1_5, scratch_2_2, scratch_3_2, scratch_4,
            scratch_5, scratch_6, fault,
        )
    else:
        else_of_stacked_1_2(batch, contract_2, d_y, stacked_1_2, fault)


@program
def step_of_cond_steps_2(
    batch, d_y, contract_2, stacked_1_2, scratch_1_4, scratch_1_5, scratch_2_2, scratch_3_2,
    scratch_4, scratch_5, scratch_6, fault,
):
    test_contract = view(scratch_1_4, (1,))
    k1_test_contract(contract_2, test_contract)
    k2_stacked_1_2(
        batch, test_contract, contract_2, d_y, stacked_1_2, scratch_1_5, scratch_2_2, scratch_3_2,
        scratch_4, scratch_5, scratch_6, fault,
    )


# net.py:20   y = sum(scan(x, w)²) / batch
@kernel
def k1_y(batch, x, w, cond_steps, contract_steps, ratio, y, scratch_1_2, scratch_1_3, fault):
    for turn in range(batch):
        step_of_contract_steps(
            batch, x[turn], w, cond_steps[turn:turn + 1], contract_steps[turn:turn + 1],
            scratch_1_2, scratch_1_3, fault,
        )
    sum_square = f64(0.0)
    for i in range(batch):
        cond_steps_i = cond_steps[i]
        sum_square = accumulate(sum_square, cond_steps_i * cond_steps_i)
        ratio[i] = f64(2.0) * cond_steps_i / f64(batch)
    y[0] = sum_square / f64(batch)


# net.py:20   cond_steps_2 = … in each step of scan(for d_y in 2 scan(x, w) / batch, contract in …)
@kernel
def k2_cond_steps_2(
    batch, ratio, contract_steps, cond_steps_2, scratch_1_4, scratch_1_5, scratch_2_2, scratch_3_2,
    scratch_4, scratch_5, scratch_6, fault,
):
    for turn in range(batch - 1, -1, -1):
        step_of_cond_steps_2(
            batch, ratio[turn:turn + 1], contract_steps[turn:turn + 1], cond_steps_2[turn:turn + 1],
            scratch_1_4, scratch_1_5, scratch_2_2, scratch_3_2, scratch_4, scratch_5, scratch_6,
            fault,
        )


# net.py:20   dy/dw = (… in each step of scan(for d_y in 2 scan(x, w) / batch, contract in …)) x
@kernel
def k3_dy_dw(batch, x, cond_steps_2, dy_dw):
    cond_steps_2_view = view(cond_steps_2, (batch, 1))
    dy_dw_view = view(dy_dw, (3, 1))
    matmul_tn(x, cond_steps_2_view, dy_dw_view)


@program
def step(
    batch, x, w, y, dy_dw, x_batch, scratch_1, scratch_2, scratch_3, scratch_1_2, scratch_1_3,
    scratch_1_4, scratch_1_5, scratch_2_2, scratch_3_2, scratch_4, scratch_5, scratch_6, fault,
):
    contract_steps = view(scratch_1, (batch,))
    cond_steps = view(scratch_2, (batch,))
    cond_steps_2 = view(scratch_2, (batch,))
    ratio = view(scratch_3, (batch,))
    k1_y(batch, x, w, cond_steps, contract_steps, ratio, y, scratch_1_2, scratch_1_3, fault)
    k2_cond_steps_2(
        batch, ratio, contract_steps, cond_steps_2, scratch_1_4, scratch_1_5, scratch_2_2,
        scratch_3_2, scratch_4, scratch_5, scratch_6, fault,
    )
    k3_dy_dw(batch, x, cond_steps_2, dy_dw)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, w, y, dy_dw, x_batch, scratch_1, scratch_2,
    scratch_3, scratch_1_2, scratch_1_3, scratch_1_4, scratch_1_5, scratch_2_2, scratch_3_2,
    scratch_4, scratch_5, scratch_6, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 3)))
        step(
            rows, x_rows, w, y, dy_dw, x_batch, scratch_1, scratch_2, scratch_3, scratch_1_2,
            scratch_1_3, scratch_1_4, scratch_1_5, scratch_2_2, scratch_3_2, scratch_4, scratch_5,
            scratch_6, fault,
        )
        if fault[0] != 0 or not isfinite(y[0]):
            break
        totals[0] += f64(rows) * f64(y[0])
        done += 1
    return done
