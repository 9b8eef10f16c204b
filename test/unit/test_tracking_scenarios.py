"""The tracker on simulated scenes: identities through crossings, occlusions and returns.

Detections are made from the exact truth: people at least a quarter of whom is seen, low scores for
hidden joints, and embeddings that mix with those of whoever stands in front. An identity switch is
counted when somebody's track is another than before, at the moments when at least half of the
person is seen: of a hand at the border nobody could tell whose it is.
"""

from functools import cache

import numpy as np
import pytest

from pose_tracking_ros.people import People, TrackState
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.simulation.scenes import make_scene
from pose_tracking_ros.simulation.truth import people_from_truth
from pose_tracking_ros.tracking.tracker import Tracker

SCENES = ('crossing', 'full_occlusion', 'leave_and_return')
SEEDS = (0, 1, 2)
RATE_HZ = 10.0
MIN_VISIBLE = 0.5


@cache
def detections(name: str, seed: int, rate_hz: float) -> list[tuple[float, People, dict]]:
    """Return each frame's stamp, people and, by the box's bytes, who is well seen where."""
    scene = make_scene(name, seed, rate_hz=rate_hz)
    rng = np.random.default_rng(seed)
    frames = []
    for index in range(scene.frame_count):
        truth = scene.truth(index)
        people = people_from_truth(truth, scene.image_size, rng)
        offset = people.keypoints[:, None] - truth.keypoints[None]
        nearest = np.linalg.norm(offset, axis=-1).mean(axis=-1).argmin(axis=1)
        well_seen = {
            box.tobytes(): int(truth.person_ids[row])
            for box, row in zip(people.boxes, nearest, strict=True)
            if truth.visible_fraction[row] >= MIN_VISIBLE
        }
        frames.append((truth.stamp_s, people, well_seen))
    return frames


def follow(strategy: str, name: str, seed: int, rate_hz: float) -> tuple[int, float]:
    """Return the identity switches, and the share of well seen people with an identity."""
    tracker = Tracker(TrackerSettings(strategy=strategy))
    identity: dict[int, int] = {}
    switches = identified = seen = 0
    for stamp_s, people, well_seen in detections(name, seed, rate_hz):
        seen += len(well_seen)
        for track in tracker.update(people, stamp_s):
            who = well_seen.get(track.box.tobytes())
            if who is None or not track.is_matched or track.state == TrackState.TENTATIVE:
                continue
            identified += 1
            switches += identity.get(who, track.track_id) != track.track_id
            identity[who] = track.track_id
    assert seen > 5 * rate_hz
    return switches, identified / seen


@pytest.mark.parametrize('seed', SEEDS)
@pytest.mark.parametrize('name', SCENES)
def test_nobody_changes_identity(name, seed):
    switches, identified = follow('occlusion_aware', name, seed, RATE_HZ)
    assert switches == 0
    # No switches would be easy with no tracks.
    assert identified > 0.85


@pytest.mark.parametrize('name', SCENES)
def test_position_alone_does_switch(name):
    switches = [follow('iou', name, seed, RATE_HZ)[0] for seed in SEEDS]
    assert min(switches) > 0


def test_appearance_that_ignores_occlusion_switches_too():
    switches = [follow('reid', name, 0, RATE_HZ)[0] for name in SCENES]
    assert sum(switches) > 0


@pytest.mark.parametrize('name', SCENES)
def test_slow_frames_do_not_cost_identities(name):
    assert follow('occlusion_aware', name, 0, 5.0)[0] == 0
