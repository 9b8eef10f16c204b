"""Bag replay: every image of a recording through the pipeline, scored, and worth looking at."""
