"""Derivatives of every kind as tensors, and formulas with derivatives of their own."""
