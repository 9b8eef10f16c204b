"""What goes wrong with an engine that was asked for by name."""

from __future__ import annotations


class EngineError(ValueError):
    """The wanted engine cannot run here; says why and what to do."""


def missing(engine: str, package: str) -> EngineError:
    """Return the error for an engine whose package is not installed."""
    return EngineError(
        f'engine: {engine} needs the Python package {package}, which is not installed; run '
        f'`pip install -c requirements/constraints.txt {package} onnx`, or choose another engine'
    )
