"""The tracker under a moving camera: what the camera did is not taken for what people did."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pose_tracking_ros.people import People
from pose_tracking_ros.pipeline import Pipeline
from pose_tracking_ros.settings import CameraMotionSettings, NetworkSettings, TrackerSettings
from pose_tracking_ros.tracking.tracker import Tracker

SIZE = (640, 480)
# The camera swings by 90 px between images, to and fro: more than anybody's box is wide.
SWING_PX = [0.0, 90.0, 0.0, -90.0]


def two_people(shift: float) -> People:
    x = np.array([200.0, 290.0]) + shift
    boxes = np.stack([x, np.full(2, 150.0), x + 60, np.full(2, 300.0)], 1)
    joints = np.stack(
        [np.tile(x[:, None] + 30, 17), np.tile(np.linspace(155, 295, 17), (2, 1))], 2
    )
    return People(
        boxes=boxes,
        scores=np.full(2, 0.9),
        keypoints=joints,
        keypoint_scores=np.full((2, 17), 0.9),
        embeddings=np.zeros((2, 0)),
        image_size=SIZE,
    )


def shift_of(dx: float) -> np.ndarray:
    return np.array([[1.0, 0.0, dx], [0.0, 1.0, 0.0]])


@pytest.mark.parametrize('strategy', ['iou', 'occlusion_aware', 'msim'])
def test_compensated_swings_change_nobodys_identity(strategy: str) -> None:
    def ids(compensate: bool) -> list[list[int]]:
        tracker = Tracker(TrackerSettings(strategy=strategy))
        before, out = 0.0, []
        for number in range(16):
            now = SWING_PX[number % 4]
            affine = shift_of(now - before) if compensate else None
            tracks = tracker.update(two_people(now), number / 10, affine)
            matched = sorted((t for t in tracks if t.is_matched), key=lambda t: t.box[0])
            out.append([track.track_id for track in matched])
            before = now
        return out

    assert set(map(tuple, ids(True))) == {(1, 2)}
    # The swing is one that would otherwise be taken for the people's own.
    assert set(map(tuple, ids(False))) != {(1, 2)}


def test_compensated_people_who_stand_have_no_velocity() -> None:
    tracker = Tracker()
    for number in range(20):
        # A steady pan of 200 px/s.
        tracks = tracker.update(two_people(-20.0 * number), number / 10, shift_of(-20.0))
    assert np.abs(tracks[0].velocity).max() < 2.0


def test_an_impossible_map_is_refused_and_changes_nothing() -> None:
    tracker = Tracker()
    tracker.update(two_people(0), 0.0)
    with pytest.raises(ValueError, match='camera_affine: expected 2 x 3 finite numbers'):
        tracker.update(two_people(0), 0.1, np.full((2, 3), np.nan))
    assert [t.track_id for t in tracker.update(two_people(0), 0.1)] == [1, 2]


class _Shifted:
    """An engine that knows where the people are."""

    model_id, device_name, fallback_reason = 'test', 'test', ''
    embedding_dim = 0

    def __init__(self) -> None:
        self.shift = 0.0

    def apply_settings(self, settings: NetworkSettings) -> None:
        pass

    def warm_up(self) -> None:
        pass

    def infer(self, image: np.ndarray) -> People:
        return two_people(self.shift)


def test_pipeline_finds_the_motion_and_tells_the_tracker() -> None:
    rng = np.random.default_rng(0)
    # Detail at every scale, as a street has.
    scales = [rng.uniform(0, 1, (480 // px, 900 // px)) for px in (8, 30, 90)]
    grey = sum(cv2.resize(noise, (900, 480), interpolation=cv2.INTER_CUBIC) for noise in scales)
    wide = np.repeat((np.clip(grey / 3, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)
    engine = _Shifted()
    settings = CameraMotionSettings(camera_motion='flow')
    pipeline = Pipeline(engine, Tracker(TrackerSettings(strategy='iou')), camera_motion=settings)
    for number in range(12):
        engine.shift = SWING_PX[number % 4]
        left = 120 - int(engine.shift)
        result = pipeline.process(np.ascontiguousarray(wide[:, left : left + 640]), number / 10)
    assert [track.track_id for track in result.tracks] == [1, 2]
    assert list(result.timings_s) == ['infer', 'camera_motion', 'track', 'name']
    assert result.camera_motion_problem == ''
