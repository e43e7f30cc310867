"""Rewrite rules: equations, each proved or checked, with the reason for it."""
