"""Losses of the three tasks, each normalised by the count of what is labelled."""
