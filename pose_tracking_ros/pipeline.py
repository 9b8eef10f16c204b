"""One image in, tracked people out: the whole flow, without ROS.

The node, the demo and bag replay all run this same object.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.image_selection import Region
from pose_tracking_ros.inference.engine import Engine
from pose_tracking_ros.people import FrameResult, People
from pose_tracking_ros.settings import (
    CameraMotionSettings,
    GallerySettings,
    ImageInputSettings,
    PoseNmsSettings,
    TrackerSettings,
)
from pose_tracking_ros.tracking.background_alignment import Verdict
from pose_tracking_ros.tracking.camera_motion import CameraMotionEstimator
from pose_tracking_ros.tracking.known_people import KnownPeople
from pose_tracking_ros.tracking.pose_nms import suppress_duplicates
from pose_tracking_ros.tracking.tracker import Tracker


@dataclass(frozen=True)
class Found:
    """The people of one image, before they are tracked.

    Attributes:
        people: in pixels of the whole image.
        region_problem: what is wrong with the region of interest; empty for nothing.
        infer_s: time it took to find them, s.
    """

    people: People
    region_problem: str
    infer_s: float


class Pipeline:
    """Network, tracker and names in sequence.

    Args:
        engine: finds the people of one image.
        tracker: links them over time.
        pose_nms: how people found twice are told; the defaults if not given.
        camera_motion: how the camera's own motion is found; the defaults if not given.
        known_people: who may be called by name; nobody if not given.
        image_input: where in the image people are looked for; everywhere if not given.
    """

    def __init__(
        self,
        engine: Engine,
        tracker: Tracker,
        pose_nms: PoseNmsSettings | None = None,
        camera_motion: CameraMotionSettings | None = None,
        known_people: KnownPeople | None = None,
        image_input: ImageInputSettings | None = None,
    ) -> None:
        self.engine = engine
        self.tracker = tracker
        self.pose_nms = pose_nms or PoseNmsSettings()
        self.camera_motion = CameraMotionEstimator(camera_motion)
        self.known_people = known_people
        self.image_input = image_input or ImageInputSettings()
        self._boxes_before: Float[np.ndarray, 'person 4'] = np.zeros((0, 4), np.float32)

    def process(self, image: UInt8[np.ndarray, 'height width 3'], stamp_s: float) -> FrameResult:
        """Find and track the people of one RGB image.

        Args:
            image: the image, uint8 RGB.
            stamp_s: when it was taken, s. A stamp before the previous one starts a new session.

        Raises:
            ValueError: the image or the stamp is unusable; the tracks are as before.
        """
        return self.follow(self.find(image), image, stamp_s)

    def find(self, image: UInt8[np.ndarray, 'height width 3']) -> Found:
        """Find the people of one RGB image: the first step, which takes nearly all of the time.

        It may run in another thread than `follow`, for the next image already.

        Raises:
            ValueError: the image is unusable.
        """
        started = time.perf_counter()
        region = Region.of(self.image_input, (image.shape[1], image.shape[0]))
        people = suppress_duplicates(self._people_in(image, region), self.pose_nms)
        return Found(people, region.problem, time.perf_counter() - started)

    def follow(
        self, found: Found, image: UInt8[np.ndarray, 'height width 3'], stamp_s: float
    ) -> FrameResult:
        """Track and name the people of one image: the second step, image by image in order.

        Args:
            found: what `find` returned for the image.
            image: the image, uint8 RGB.
            stamp_s: when it was taken, s. A stamp before the previous one starts a new session.

        Raises:
            ValueError: the stamp is unusable; the tracks are as before.
        """
        people = found.people
        started = time.perf_counter()
        camera = self.camera_motion.estimate(image, stamp_s, self._boxes_before)
        self._boxes_before = people.boxes
        steadied = time.perf_counter()
        affine = camera.affine if camera.verdict is Verdict.MOVED else None
        tracks, events = self.tracker.update(people, stamp_s, affine), self.tracker.take_events()
        tracked = time.perf_counter()
        if self.known_people is not None:
            tracks, events = self.known_people.name(tracks, events, stamp_s)
        named = time.perf_counter()
        return FrameResult(
            people=people,
            tracks=tracks,
            events=events,
            session_id=self.tracker.session_id,
            timings_s={
                'infer': found.infer_s,
                'camera_motion': steadied - started,
                'track': tracked - steadied,
                'name': named - tracked,
            },
            camera_motion_problem=camera.problem,
            region_problem=found.region_problem,
        )

    def _people_in(self, image: UInt8[np.ndarray, 'height width 3'], region: Region) -> People:
        """Return the people in a region of the image, in pixels of the whole image."""
        image_size = (image.shape[1], image.shape[0])
        if region.is_empty and image.size:
            return People.none(image_size, dim=self.engine.embedding_dim)
        return region.to_image(self.engine.infer(region.of_image(image)), image_size)


SettingsT = TypeVar('SettingsT')


class SettingsSource(Protocol):
    """Holds one settings object per class: a node's parameters, or a configuration file's."""

    def get(self, settings_class: type[SettingsT]) -> SettingsT:
        """Return the settings of a class."""


KnowPeople = Callable[[str, int, GallerySettings], KnownPeople]
"""Makes or finds the people known by name, for a network, a length of embeddings and settings."""


def make_pipeline(
    engine: Engine, settings: SettingsSource, know_people: KnowPeople = KnownPeople
) -> Pipeline:
    """Return the pipeline for a loaded network and the settings of all the rest.

    Args:
        engine: the loaded network.
        settings: of the rest.
        know_people: where the gallery comes from; one of its own, unless given.

    Raises:
        GalleryError: the file of known people cannot be used.
    """
    return Pipeline(
        engine,
        Tracker(settings.get(TrackerSettings)),
        settings.get(PoseNmsSettings),
        settings.get(CameraMotionSettings),
        know_people(engine.model_id, engine.embedding_dim, settings.get(GallerySettings)),
        settings.get(ImageInputSettings),
    )
