"""The cpu target: Numba source, a whole epoch as one native function."""
