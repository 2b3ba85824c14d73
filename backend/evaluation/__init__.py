"""Datasets, metrics and reports: what the core is worth, in numbers."""
