"""Devices: where a program is loaded and run."""
