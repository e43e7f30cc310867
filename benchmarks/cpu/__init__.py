"""How fast networks train on a CPU, beside other frameworks: `python -m benchmarks cpu`.

`workloads/` says what is trained, a file each: weights and data, and the loss in each framework.
`runners/` says how a framework is driven, a file each. `worker.py` is the process in which one
runner trains one workload; `measure.py` starts such processes, compares and times them.
"""
