"""Formulas as text and LaTeX, and how each gradient came about."""
