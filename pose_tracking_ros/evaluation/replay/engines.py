"""Networks that stay loaded from one replay to the next. Imports none of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pose_tracking_ros.inference.engine import Engine
from pose_tracking_ros.settings import NetworkSettings, limits_of

EngineFactory = Callable[[NetworkSettings], Engine]


class Engines:
    """Loads networks, and keeps the last one for configurations that share it.

    Args:
        load: makes an engine.
    """

    def __init__(self, load: EngineFactory) -> None:
        self._load = load
        self._engine: Engine | None = None
        self._key: tuple[Any, ...] = ()

    def get(self, settings: NetworkSettings) -> Engine:
        """Return an engine that is ready; its live settings may be those of before."""
        key = tuple(
            value
            for name, value in vars(settings).items()
            if not limits_of(NetworkSettings, name).live
        )
        if self._engine is None or key != self._key:
            self._engine, self._key = self._load(settings), key
            self._engine.warm_up()
        return self._engine
