"""Measure accuracy against ground truth."""
