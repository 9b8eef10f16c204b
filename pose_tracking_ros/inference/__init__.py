"""Run the network: one interface, several engines."""

from pose_tracking_ros.inference.engine import Engine
from pose_tracking_ros.inference.loading import load_engine

__all__ = ['Engine', 'load_engine']
