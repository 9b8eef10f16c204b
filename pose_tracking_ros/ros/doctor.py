"""The doctor as a ROS 2 program: `ros2 run pose_tracking_ros doctor`."""

from __future__ import annotations

from pose_tracking_ros.doctor import __main__ as doctor


def main() -> int:
    """Examine installation and graph; return the exit code."""
    return doctor.main()
