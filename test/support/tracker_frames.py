"""Detections for tests of the tracker, made by hand."""

import numpy as np

from pose_tracking_ros.people import People
from pose_tracking_ros.tracking.tracker import Tracker

SIZE = (640, 480)
JOINTS = np.stack([np.linspace(0.2, 0.8, 17), np.linspace(0.05, 0.95, 17)], axis=1)


def look(person: int, dim: int = 16) -> np.ndarray:
    """Return a person's unit embedding; different people are at right angles."""
    return np.eye(dim)[person]


def person(x, y=200.0, *, height=100.0, score=0.9, embedding=None, seen=17) -> dict:
    """Return one detection; `seen` of its joints have a high score."""
    width = 0.4 * height
    box = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    return {
        'boxes': box,
        'scores': score,
        'keypoints': box[:2] + JOINTS * [width, height],
        'keypoint_scores': np.where(np.arange(17) < seen, 0.9, 0.05),
        'embeddings': np.zeros(16) if embedding is None else embedding,
    }


def frame(*people: dict) -> People:
    """Return one image's people."""
    if not people:
        return People.none(SIZE)
    return People(
        **{name: np.stack([one[name] for one in people]) for name in people[0]}, image_size=SIZE
    )


def play(tracker: Tracker, frames, start_s=0.0, rate_hz=10.0):
    """Feed frames at a steady rate and return each one's tracks."""
    return [tracker.update(people, start_s + i / rate_hz) for i, people in enumerate(frames)]


def kinds(tracker: Tracker) -> list[tuple[str, int]]:
    return [(event.kind.name, event.track_id) for event in tracker.take_events()]
