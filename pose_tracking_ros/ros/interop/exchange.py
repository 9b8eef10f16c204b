"""All formats of other systems: opens and closes them as the settings say."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import UInt8
from rclpy.node import Node

from pose_tracking_ros.people import Track
from pose_tracking_ros.ros.health import Health
from pose_tracking_ros.ros.interop.formats import Format, FormatError, Moment, Outlet
from pose_tracking_ros.ros.interop.people_format import PEOPLE
from pose_tracking_ros.ros.interop.ros4hri import ROS4HRI
from pose_tracking_ros.ros.interop.vision_format import VISION
from pose_tracking_ros.ros.parameters import ParameterStore
from pose_tracking_ros.settings import DepthSettings, InteropSettings

FORMATS: tuple[Format, ...] = (ROS4HRI, VISION, PEOPLE)
"""Every format; a new one is added here, and its switch to `InteropSettings`."""


class Exchange:
    """Publishes for other systems what their formats can tell. Nothing costs anything when off.

    A format whose messages are missing is complained of once, and left out.

    Args:
        node: owns the publishers.
        health: takes complaints of kinds named as the switches.
        parameters: what is on, which may change from image to image.
        formats: all there are.
    """

    def __init__(
        self,
        node: Node,
        health: Health,
        parameters: ParameterStore,
        formats: tuple[Format, ...] = FORMATS,
    ) -> None:
        self._node = node
        self._health = health
        self._parameters = parameters
        self._formats = formats
        self._settings: InteropSettings | None = None
        self._outlets: dict[str, Outlet] = {}

    def follow_settings(self) -> InteropSettings:
        """Open and close formats, and return the settings; little happens while they stay."""
        settings = self._parameters.get(InteropSettings)
        if settings is not self._settings:
            self._settings = settings
            for form in self._formats:
                self._switch(form, bool(getattr(settings, form.setting)))
        return settings

    def publish(
        self,
        tracks: list[Track],
        image: UInt8[np.ndarray, 'height width 3'],
        header: Any,
        space_frame: str,
    ) -> None:
        """Publish what an image showed, in all formats that are on.

        Args:
            tracks: all living ones.
            image: RGB; it is not changed.
            header: of the image.
            space_frame: frame of the poses in space; empty for that of the image.
        """
        settings = self.follow_settings()
        if not self._outlets:
            return
        uses_depth = self._parameters.get(DepthSettings).use_depth
        moment = Moment(tracks, image, header, settings, uses_depth, space_frame)
        for setting, outlet in self._outlets.items():
            problem = outlet.publish(moment)
            if problem:
                self._health.begin(setting, problem)
            else:
                self._health.resolve(setting)

    def close(self) -> None:
        """Close all formats; the next image opens them again."""
        for form in self._formats:
            self._switch(form, False)
        self._settings = None

    def _switch(self, form: Format, is_wanted: bool) -> None:
        outlet = self._outlets.get(form.setting)
        if is_wanted and outlet is None:
            try:
                self._outlets[form.setting] = form.open(self._node)
            except FormatError as error:
                # Once, whatever other settings change.
                self._health.begin(form.setting, str(error))
            else:
                self._health.resolve(form.setting)
        elif not is_wanted:
            self._health.resolve(form.setting)
            if outlet is not None:
                del self._outlets[form.setting]
                outlet.close()
