"""Scenes: truth is consistent, and each scene holds the difficulty it is named for."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from pose_tracking_ros.simulation.scene import Scene
from pose_tracking_ros.simulation.scenes import SCENE_NAMES, make_scene
from pose_tracking_ros.simulation.truth import FrameTruth

SEES_A_PERSON = 0.25
"""Share of a body above which a detector would find it."""


@lru_cache(maxsize=4)
def played(name: str) -> tuple[Scene, list[FrameTruth]]:
    scene = make_scene(name, rate_hz=10.0)
    return scene, [scene.truth(index) for index in range(scene.frame_count)]


def per_person(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Visible fraction (NaN when out of the image) and box, for each person and frame."""
    scene, truths = played(name)
    fraction = np.full((scene.identity_count, scene.frame_count), np.nan)
    boxes = np.full((scene.identity_count, scene.frame_count, 4), np.nan)
    for index, truth in enumerate(truths):
        fraction[truth.person_ids - 1, index] = truth.visible_fraction
        boxes[truth.person_ids - 1, index] = truth.boxes
    return fraction, boxes


def runs_of(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and past-last index of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


@pytest.mark.parametrize('name', SCENE_NAMES)
def test_truth_has_the_promised_shapes_and_ranges(name: str) -> None:
    scene = make_scene(name)
    width, height = scene.image_size
    assert scene.name == name
    for index in np.linspace(0, scene.frame_count - 1, 6).astype(int).tolist():
        truth = scene.truth(index)
        count = len(truth)
        assert truth.stamp_s == pytest.approx(index / scene.rate_hz)
        assert truth.person_ids.dtype == np.int64
        assert (np.diff(truth.person_ids) > 0).all()
        assert ((truth.person_ids >= 1) & (truth.person_ids <= scene.identity_count)).all()
        assert truth.boxes.shape == (count, 4)
        assert truth.boxes.dtype == np.float32
        assert truth.keypoints.shape == (count, 17, 2)
        assert np.isfinite(truth.keypoints).all()
        assert truth.keypoint_visible.shape == (count, 17)
        assert ((truth.visible_fraction >= 0) & (truth.visible_fraction <= 1)).all()
        np.testing.assert_allclose(np.linalg.norm(truth.appearance, axis=-1), 1, atol=1e-5)
        assert (truth.boxes[:, :2] >= 0).all()
        assert (truth.boxes[:, 2:] <= (width, height)).all()
        assert (truth.boxes[:, :2] < truth.boxes[:, 2:]).all()


@pytest.mark.parametrize('name', SCENE_NAMES)
def test_joints_lie_in_the_box_and_visible_ones_in_the_image(name: str) -> None:
    scene = make_scene(name)
    for index in range(0, scene.frame_count, 40):
        truth = scene.truth(index)
        in_image = ((truth.keypoints >= 0) & (truth.keypoints < scene.image_size)).all(-1)
        assert not (truth.keypoint_visible & ~in_image).any()
        low, high = truth.boxes[:, None, :2] - 0.01, truth.boxes[:, None, 2:] + 0.01
        in_box = ((truth.keypoints >= low) & (truth.keypoints <= high)).all(-1)
        # Every joint is inside the body, so one inside the image is inside the clipped box.
        assert in_box[in_image].all()


def test_nobody_has_visible_joints_when_wholly_hidden() -> None:
    _, truths = played('full_occlusion')
    hidden = [(t.visible_fraction == 0, t.keypoint_visible.any(-1)) for t in truths]
    assert sum(gone.sum() for gone, _ in hidden) > 20
    assert not any((gone & seen).any() for gone, seen in hidden)


def test_an_identity_keeps_its_appearance_and_differs_from_others() -> None:
    _, truths = played('crossing')
    known: dict[int, np.ndarray] = {}
    for truth in truths[::10]:
        for person, appearance in zip(truth.person_ids.tolist(), truth.appearance, strict=True):
            np.testing.assert_array_equal(known.setdefault(person, appearance), appearance)
    vectors = np.array(list(known.values()))
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    assert distances[~np.eye(len(vectors), dtype=bool)].min() > 0.6


def test_look_alikes_look_alike() -> None:
    scene = make_scene('look_alikes')
    appearance = np.concatenate([scene.truth(i).appearance for i in range(0, 210, 20)])
    assert np.linalg.norm(appearance - appearance[0], axis=-1).max() < 0.45


def test_crossing_people_hide_each_other_and_come_back() -> None:
    scene, _ = played('crossing')
    fraction, _ = per_person('crossing')
    for person in (1, 3):
        hidden = runs_of(fraction[person] < SEES_A_PERSON)
        # At the image's border people are small fractions, too: only runs in between count.
        inner = [
            (a, b)
            for a, b in hidden
            if fraction[person, a - 5] > 0.4 and fraction[person, b + 4] > 0.9
        ]
        assert inner, f'person {person + 1} is never hidden and seen again'
        assert max(b - a for a, b in inner) / scene.rate_hz >= 0.9


def test_full_occlusion_hides_for_a_second_behind_the_wall_and_behind_a_person() -> None:
    scene, _ = played('full_occlusion')
    fraction, boxes = per_person('full_occlusion')
    for person in (0, 1, 2):
        a, b = max(runs_of(fraction[person] == 0), key=lambda run: run[1] - run[0])
        assert (b - a) / scene.rate_hz >= 1.0
        assert fraction[person, a - 5] > 0
        assert fraction[person, b + 9] > 0.5
    a, b = max(runs_of(fraction[0] == 0), key=lambda run: run[1] - run[0])
    moved = abs(boxes[0, b, [0, 2]].mean() - boxes[0, a - 1, [0, 2]].mean())
    assert moved > (boxes[0, b, 2] - boxes[0, b, 0])
    # The child, behind the grown-up who stands near the camera.
    a, b = max(
        runs_of(fraction[4] < SEES_A_PERSON),
        key=lambda run: (run[1] - run[0]) * (run[0] > 0 and fraction[4, run[0] - 1] > 0),
    )
    assert (b - a) / scene.rate_hz >= 1.0
    assert fraction[4, a:b].min() < 0.03


def test_leave_and_return_is_away_for_three_seconds_and_comes_back_elsewhere() -> None:
    scene, _ = played('leave_and_return')
    fraction, boxes = per_person('leave_and_return')
    for person in (0, 1):
        (a, b) = (run for run in runs_of(np.isnan(fraction[person])) if run[0] > 0).__next__()
        assert b < scene.frame_count
        assert 3.0 <= (b - a) / scene.rate_hz <= 3.7
        apart = np.abs(boxes[person, a - 1] - boxes[person, b + 8]).max()
        assert apart > 60
    assert not np.isnan(fraction[2]).any(), 'somebody stays all the time'


def test_crowd_is_a_crowd_and_street_has_mixed_sizes() -> None:
    crowd = make_scene('crowd')
    assert max(len(crowd.truth(i)) for i in (60, 90, 120)) >= 18
    street = make_scene('street')
    boxes = np.concatenate([street.truth(i).boxes for i in range(0, street.frame_count, 15)])
    heights = boxes[:, 3] - boxes[:, 1]
    assert np.quantile(heights, 0.9) > 2 * np.quantile(heights, 0.1)


def test_the_street_camera_moves_and_the_others_stand() -> None:
    street, crossing = make_scene('street'), make_scene('crossing')
    assert np.ptp([street.camera(i).yaw_rad for i in range(0, 300, 10)]) > 0.05
    assert np.ptp([crossing.camera(i).yaw_rad for i in range(0, 200, 10)]) == 0


@pytest.mark.parametrize('name', ['street', 'leave_and_return'])
def test_people_walk_the_same_at_any_rate(name: str) -> None:
    slow, fast = make_scene(name, rate_hz=5.0), make_scene(name, rate_hz=30.0)
    for index in (3, 17, 40):
        a, b = slow.truth(index), fast.truth(6 * index)
        np.testing.assert_array_equal(a.person_ids, b.person_ids)
        np.testing.assert_allclose(a.keypoints, b.keypoints, atol=0.6)


def test_size_scales_the_picture_only() -> None:
    small = make_scene('street', image_size=(640, 480)).truth(30)
    large = make_scene('street', image_size=(1280, 960)).truth(30)
    np.testing.assert_array_equal(small.person_ids, large.person_ids)
    np.testing.assert_allclose(2 * small.keypoints, large.keypoints, rtol=1e-3, atol=0.1)


def test_seeds_change_looks_and_not_the_ways() -> None:
    one, other = make_scene('crossing', seed=1), make_scene('crossing', seed=2)
    assert not np.allclose(one.truth(40).appearance, other.truth(40).appearance)
    a, b = one.cast[0].walk.position, other.cast[0].walk.position
    np.testing.assert_allclose(a, b)


def test_duration_cuts_and_extends() -> None:
    assert make_scene('street', duration_s=2.0, rate_hz=10.0).frame_count == 20
    long = make_scene('crossing', duration_s=30.0)
    assert len(long.truth(long.frame_count - 1)) <= long.identity_count


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'name': 'beach'}, 'expected one of street, crossing'),
        ({'name': 'street', 'rate_hz': 0.0}, 'rate_hz: expected more than 0'),
        ({'name': 'street', 'duration_s': 0.0}, 'duration_s: expected at least one frame'),
        ({'name': 'street', 'image_size': (640, 8)}, 'at least 32 x 32 px, got 640 x 8'),
    ],
)
def test_unusable_requests_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_scene(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize('index', [-1, 210, 10_000])
def test_there_are_no_frames_outside(index: int) -> None:
    scene = make_scene('crossing')
    for ask in (scene.truth, scene.render, scene.camera, scene.bodies):
        with pytest.raises(IndexError, match=r"expected 0 to 209 in scene 'crossing'"):
            ask(index)


def test_a_scene_without_people_has_empty_truth() -> None:
    model = make_scene('crossing')
    empty = Scene('empty', 0, (320, 240), 10.0, 3, [], [], model.motion)
    truth = empty.truth(0)
    assert len(truth) == 0
    assert truth.boxes.shape == (0, 4)
    assert truth.keypoints.shape == (0, 17, 2)
    assert truth.keypoint_visible.shape == (0, 17)
    assert truth.appearance.shape == (0, 32)
    assert empty.render(0).shape == (240, 320, 3)


def test_a_cast_of_another_length_is_refused() -> None:
    model = make_scene('crossing')
    with pytest.raises(ValueError, match='expected 3 frames for person 1, got 210'):
        Scene('bad', 0, (320, 240), 10.0, 3, model.cast, [], model.motion)


def _switches(name: str, has_motion: bool) -> int:
    """Count id switches of a plain IoU tracker that is given the true boxes of visible people."""
    _, truths = played(name)
    tracks: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    last_id: dict[int, int] = {}
    switches, next_id = 0, 1
    for truth in truths:
        seen = truth.visible_fraction >= SEES_A_PERSON
        boxes, people = truth.boxes[seen].astype(float), truth.person_ids[seen].tolist()
        ids = list(tracks)
        places = np.array([tracks[i][0] + has_motion * tracks[i][1] for i in ids]).reshape(-1, 4)
        low = np.maximum(places[:, None, :2], boxes[None, :, :2])
        high = np.minimum(places[:, None, 2:], boxes[None, :, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=-1)
        area = np.prod(places[:, 2:] - places[:, :2], axis=-1)[:, None]
        iou = shared / (area + np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1)[None] - shared)
        matched: dict[int, int] = {}
        for row, column in zip(*linear_sum_assignment(-iou), strict=True):
            if iou[row, column] > 0.2:
                matched[int(column)] = ids[row]
        for i, place in zip(ids, places, strict=True):
            tracks[i] = (place, tracks[i][1])
        for column, (box, person) in enumerate(zip(boxes, people, strict=True)):
            if column in matched:
                track = matched[column]
                step = box - (tracks[track][0] - has_motion * tracks[track][1])
                speed = 0.7 * tracks[track][1] + 0.3 * step
            else:
                track, next_id, speed = next_id, next_id + 1, np.zeros(4)
            tracks[track] = (box, speed)
            switches += last_id.get(person, track) != track
            last_id[person] = track
    return switches


@pytest.mark.parametrize('has_motion', [False, True], ids=['resting', 'moving on'])
@pytest.mark.parametrize('name', ['crossing', 'full_occlusion', 'leave_and_return'])
def test_overlap_alone_does_not_suffice_to_track(name: str, has_motion: bool) -> None:
    assert _switches(name, has_motion) >= 1


def test_everyone_in_the_queue_is_hidden_for_a_while_and_served_in_turn() -> None:
    fraction, boxes = per_person('queue')
    # All but whoever stands in front at first.
    assert (fraction[1:] < 0.6).any(1).all()
    # Who leaves the line first is nearest to the camera at first: the lowest box.
    lowest = np.nanmax(boxes[:, :, 3], axis=0)
    first = np.array([int(np.nanargmax(boxes[:, frame, 3])) for frame in range(len(lowest))])
    order = list(dict.fromkeys(first.tolist()))
    assert order[:3] == [0, 1, 2]


def test_front_and_back_of_the_group_change() -> None:
    _, boxes = per_person('group_turn')
    assert len(boxes) == 5
    before, after = (np.argsort(boxes[:, frame, 3]) for frame in (34, 70))
    # The two rows have changed places.
    assert set(before[:2]) == set(after[-2:])
