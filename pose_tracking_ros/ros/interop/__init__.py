"""People in the messages of other systems: one module per format, each behind a parameter."""

from pose_tracking_ros.ros.interop.exchange import FORMATS, Exchange
from pose_tracking_ros.ros.interop.formats import Format, FormatError, Moment, Outlet

__all__ = ['FORMATS', 'Exchange', 'Format', 'FormatError', 'Moment', 'Outlet']
