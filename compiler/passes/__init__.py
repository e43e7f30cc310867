"""Passes: each takes a verified graph and gives a verified graph."""
