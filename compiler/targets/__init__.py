"""Targets: each spells a scheduled graph as source text."""
