"""What must hold for any input: order, repetition, gaps, crowds and long runs."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pose_tracking_ros.people import People, Track, TrackState
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.strategies import STRATEGIES
from pose_tracking_ros.tracking.tracker import Tracker

SIZE = (1280, 720)


def crowd(
    count: int, frames: int, seed: int, *, rate_hz: float = 10.0, miss_rate: float = 0.1
) -> list[People]:
    """Return detections of people who wander about, with noise, misses and false alarms."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform([80, 120], [1200, 600], (count, 2))
    velocity = rng.normal(0, 50, (count, 2))
    height = rng.uniform(60, 220, count)
    looks = rng.normal(size=(count, 32))
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    joints = rng.uniform(0.05, 0.95, (count, 17, 2))
    shown = []
    for _ in range(frames):
        centre = centre + velocity / rate_hz
        velocity = np.where((centre < 60) | (centre > np.array(SIZE) - 60), -velocity, velocity)
        size = np.stack([0.4 * height, height], axis=1)
        middle = centre + rng.normal(0, 0.01, (count, 2)) * height[:, None]
        noisy = looks + rng.normal(0, 0.03, looks.shape)
        people = People(
            boxes=np.concatenate([middle - size / 2, middle + size / 2], axis=1),
            scores=rng.uniform(0.3, 1.0, count),
            keypoints=(middle - size / 2)[:, None] + joints * size[:, None],
            keypoint_scores=rng.uniform(0, 1, (count, 17)),
            embeddings=noisy / np.linalg.norm(noisy, axis=1, keepdims=True),
            image_size=SIZE,
        )
        shown.append(people.select(rng.random(count) >= miss_rate))
    return shown


def as_values(tracks: list[Track]) -> list[dict]:
    """Return tracks as plain values, to compare them exactly."""
    return [
        {
            field.name: value.tobytes() if isinstance(value, np.ndarray) else value
            for field in dataclasses.fields(track)
            for value in [getattr(track, field.name)]
        }
        for track in tracks
    ]


@pytest.mark.parametrize('strategy', STRATEGIES)
def test_the_order_of_detections_does_not_matter(strategy):
    rng = np.random.default_rng(5)
    straight, shuffled = (Tracker(TrackerSettings(strategy=strategy)) for _ in range(2))
    for i, people in enumerate(crowd(12, 25, seed=1)):
        mixed = people.select(rng.permutation(len(people)))
        a, b = straight.update(people, i / 10), shuffled.update(mixed, i / 10)
        assert as_values(a) == as_values(b)
    assert straight.take_events() == shuffled.take_events()


def test_the_order_does_not_matter_even_for_equal_boxes():
    people = crowd(6, 1, seed=2, miss_rate=0)[0]
    people = dataclasses.replace(
        people, boxes=np.repeat(people.boxes[:1], 6, axis=0), scores=np.full(6, 0.9)
    )
    rng = np.random.default_rng(0)
    expected = None
    for _ in range(5):
        tracker = Tracker(TrackerSettings())
        for i in range(3):
            tracks = tracker.update(people.select(rng.permutation(6)), i / 10)
        expected = expected or as_values(tracks)
        assert as_values(tracks) == expected


@pytest.mark.parametrize('strategy', STRATEGIES)
def test_the_same_input_gives_the_same_output(strategy):
    shown = crowd(10, 20, seed=3)
    runs = []
    for _ in range(2):
        tracker = Tracker(TrackerSettings(strategy=strategy))
        runs.append([as_values(tracker.update(p, i / 10)) for i, p in enumerate(shown)])
    assert runs[0] == runs[1]


@pytest.mark.parametrize('strategy', STRATEGIES)
@pytest.mark.parametrize('seed', range(3))
def test_what_every_frame_of_a_wild_run_keeps(strategy, seed):
    rng = np.random.default_rng(seed)
    tracker = Tracker(TrackerSettings(strategy=strategy, max_lost_s=1.0))
    stamp_s, highest = 0.0, 0
    for people in crowd(15, 40, seed=seed, miss_rate=0.4):
        if rng.random() < 0.1:
            people = People.none(SIZE)
        # Uneven intervals, repeated stamps and gaps.
        stamp_s += rng.choice([0.0, 0.01, 0.1, 0.3, 2.0], p=[0.1, 0.2, 0.5, 0.18, 0.02])
        tracks = tracker.update(people, stamp_s)
        ids = [track.track_id for track in tracks]
        assert ids == sorted(set(ids))
        assert all(track_id > 0 for track_id in ids)
        new = [track for track in tracks if track.track_id > highest]
        assert all(track.is_matched and track.age_s == 0 for track in new)
        highest = max([highest, *ids])
        boxes = [track.box.tobytes() for track in tracks if track.is_matched]
        assert len(set(boxes)) == len(boxes)
        assert set(boxes) <= {box.tobytes() for box in people.boxes}
        for track in tracks:
            check_track(track, ids)


def check_track(track: Track, ids: list[int]) -> None:
    """Assert what holds for every published track."""
    assert track.state != TrackState.REMOVED
    assert np.isfinite(track.box).all()
    assert (track.box[2:] >= track.box[:2]).all()
    assert np.isfinite(track.velocity).all()
    assert 0 <= track.visibility <= 1
    assert 0 <= track.score <= 1
    assert ((track.keypoint_scores >= 0) & (track.keypoint_scores <= 1)).all()
    assert track.age_s >= track.time_since_update_s >= 0
    assert (track.time_since_update_s == 0) or not track.is_matched
    assert track.occluder_id == 0 or track.occluder_id in ids
    assert track.occluder_id != track.track_id
    if not track.is_matched:
        assert track.visibility == 0
    if len(track.embedding):
        assert np.linalg.norm(track.embedding) == pytest.approx(1.0, abs=1e-4)


def test_empty_frames_age_tracks_and_empty_the_tracker():
    tracker = Tracker(TrackerSettings(max_lost_s=1.0))
    for i, people in enumerate(crowd(8, 10, seed=4, miss_rate=0)):
        before = tracker.update(people, i / 10)
    ages = {track.track_id: track.age_s for track in before}
    tracks = tracker.update(People.none(SIZE), 1.0)
    assert tracks
    assert all(track.age_s == pytest.approx(ages[track.track_id] + 0.1) for track in tracks)
    for i in range(11, 25):
        tracks = tracker.update(People.none(SIZE), i / 10)
    assert tracks == []


def test_memory_stays_bounded_when_everyone_is_a_stranger():
    tracker = Tracker(TrackerSettings(max_lost_s=600.0, max_tracks=30, confirm_after_s=0.0))
    kept = []
    for i in range(60):
        if i % 3 == 0:
            people = crowd(10, 1, seed=i, miss_rate=0)[0]
        kept.append(len(tracker.update(people, i / 10)))
    assert max(kept) == 30
    # Whoever is in view is never the one to go.
    assert sum(track.is_matched for track in tracker.update(people, 6.0)) >= 8


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('rate_hz', [5.0, 15.0])
def test_flickering_walkers_keep_their_identities(rate_hz, seed):
    """People side by side on a street, every third detection missing, slow frames, no looks."""
    rng = np.random.default_rng(seed)
    start = np.array([[60.0, 300], [1200, 330], [400, 420], [900, 250]])
    height = np.array([110.0, 120, 160, 90])
    # Walking is about 0.8 body heights per second.
    speed = np.array([0.8, -0.8, 0.6, -0.5]) * height
    tracker = Tracker(TrackerSettings())
    owner: dict[int, set[int]] = {i: set() for i in range(4)}
    for i in range(round(6 * rate_hz)):
        centre = start + np.stack([speed * i / rate_hz, np.zeros(4)], axis=1)
        centre += rng.normal(0, 0.02, (4, 2)) * height[:, None]
        size = np.stack([0.4 * height, height], axis=1) * rng.normal(1, 0.04, (4, 2))
        found = np.flatnonzero(rng.random(4) >= 0.33)
        boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1)[found]
        people = People(
            boxes=boxes,
            scores=rng.uniform(0.5, 0.9, len(found)),
            keypoints=np.zeros((len(found), 0, 2)),
            keypoint_scores=np.zeros((len(found), 0)),
            embeddings=np.zeros((len(found), 0)),
            image_size=SIZE,
        )
        for track in tracker.update(people, i / rate_hz):
            if track.is_matched and track.state != TrackState.TENTATIVE:
                row = np.flatnonzero((people.boxes == track.box).all(axis=1))[0]
                owner[int(found[row])].add(track.track_id)
    assert [len(ids) for ids in owner.values()] == [1, 1, 1, 1], owner


# In a process of its own: this one checks the types of all arguments, which takes longer than
# tracking, and its memory is not the tracker's.
LONG_RUN = """
import numpy as np
from pose_tracking_ros.people import People
from pose_tracking_ros.tracking.tracker import Tracker

def people(x, number):
    boxes = np.array([[x - 20.0, 100, x + 20, 200], [400, 100, 440, 200]])[: 1 + number % 2]
    return People(
        boxes=boxes, scores=np.full(len(boxes), 0.9), keypoints=np.zeros((len(boxes), 1, 2)),
        keypoint_scores=np.full((len(boxes), 1), 0.9), embeddings=np.eye(2, 4)[: len(boxes)],
        image_size=(640, 480),
    )

# Everybody walks out of view, one blinks, and all are gone for longer than they are remembered.
shown = [people(40.0 + 6 * i, i) for i in range(80)] + [People.none((640, 480), 1, 4)] * 20
tracker, kinds = Tracker(), set()

def resident_kb():
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmRSS'))

for number in range(100_000):
    # 20 Hz; events are taken now and then, as somebody who does not care much would.
    pause_s = 6.0 * (number // 100)
    tracker.update(shown[number % 100], number / 20 + pause_s)
    if number % 1000 == 0:
        kinds |= {event.kind.name for event in tracker.take_events()}
    if number == 10_000:
        early_kb = resident_kb()
print(resident_kb() - early_kb, len(tracker.update(shown[0], 1e6)), *sorted(kinds))
"""


@pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='reads memory from /proc')
def test_a_hundred_thousand_frames_leave_memory_flat():
    run = subprocess.run(
        [sys.executable, '-c', LONG_RUN], capture_output=True, text=True, timeout=900, check=True
    )
    growth_kb, tracks, *kinds = run.stdout.split()
    assert {'BORN', 'LOST', 'REMOVED'} <= set(kinds)
    assert int(tracks) <= 2
    # A hundred bytes per frame would be 9 MB.
    assert int(growth_kb) < 2000
