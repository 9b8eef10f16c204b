"""Run the network: one interface, several engines."""

from typing import TYPE_CHECKING, Any

from pose_tracking_ros.inference.engine import Engine

if TYPE_CHECKING:
    from pose_tracking_ros.inference.loading import load_engine

__all__ = ['Engine', 'load_engine']


def __getattr__(name: str) -> Any:
    """Import what needs torch only when it is asked for: that takes seconds."""
    if name == 'load_engine':
        from pose_tracking_ros.inference.loading import load_engine

        return load_engine
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
