"""What compiling costs, measured: run `python -m benchmarks compile` in a checkout."""
