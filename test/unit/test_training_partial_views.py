"""Parts of people: which part, how much of the picture is shown, which labels are left."""

from __future__ import annotations

import numpy as np
import pytest

from pose_tracking_ros.training.partial_views import Window, cropped, hide_patch, random_part
from pose_tracking_ros.training.pictures import Labels

BOX = np.array([100.0, 50.0, 140.0, 150.0], np.float32)


def labels(
    boxes: list[list[float]], points: list[list[tuple[float, float]]] | None = None
) -> Labels:
    """Return labelled people whose joints all lie at the given points (or in the box's middle)."""
    array = np.array(boxes, np.float32).reshape(-1, 4)
    keypoints = np.ones((len(array), 17, 3), np.float32)
    keypoints[..., :2] = ((array[:, :2] + array[:, 2:]) / 2)[:, None]
    for person, named in enumerate(points or []):
        keypoints[person, : len(named), :2] = named
    return Labels(array, keypoints, np.zeros((0, 4), np.float32), np.arange(len(array)))


def upright_joints() -> np.ndarray:
    """Return joints spread evenly from head to feet of `BOX`."""
    y = np.linspace(52, 148, 17)
    return np.stack([np.full(17, 120.0), y, np.ones(17)], 1).astype(np.float32)


def test_whole_window_grows_on_both_sides() -> None:
    low, high = Window.whole(BOX).grown(np.array([80.0, 100.0]), (640, 480))
    assert low.tolist() == [80, 50]
    assert high.tolist() == [160, 150]


def test_window_never_grows_beyond_a_cut_side_or_the_picture() -> None:
    window = Window(
        np.array([100.0, 50.0]),
        np.array([140.0, 90.0]),
        np.array([False, False]),
        np.array([False, True]),
    )
    low, high = window.grown(np.array([400.0, 100.0]), (300, 480))
    # Downwards nothing may be shown: all 60 missing rows are added above, where 50 exist.
    assert low.tolist() == [0, 0]
    assert high.tolist() == [300, 90]


def test_parts_lie_in_the_box_and_show_labelled_joints() -> None:
    joints = upright_joints()
    cut_below = 0
    for seed in range(200):
        part = random_part(BOX, joints, np.random.default_rng(seed))
        assert (part.low >= BOX[:2] - 1e-6).all()
        assert (part.high <= BOX[2:] + 1e-6).all()
        inside = ((joints[:, :2] >= part.low) & (joints[:, :2] < part.high)).all(1)
        assert inside.sum() >= 3
        share = part.size.prod() / 4000
        assert share >= 0.1
        assert part.is_cut_high[1] == (part.high[1] < 149)
        cut_below += bool(part.is_cut_high[1])
    # Mostly legs are missing.
    assert cut_below > 100


def test_person_without_labelled_joints_stays_whole() -> None:
    joints = upright_joints()
    joints[:, 2] = 0
    part = random_part(BOX, joints, np.random.default_rng(0))
    assert part.low.tolist() == [100, 50]
    assert part.high.tolist() == [140, 150]


def test_cropping_clips_boxes_drops_joints_and_ignores_what_is_hardly_left() -> None:
    people = labels(
        [[100, 50, 140, 150], [0, 0, 40, 100]],
        [[(120, 60), (120, 120)]],
    )
    # Of the second's joints none is in the strip.
    people.keypoints[1, :, :2] = (10, 60)
    left = cropped(people, np.array([30, 50]), np.array([200, 100]))
    # The first keeps its upper half. Of the second a strip of 10 x 50 of 40 x 100 is left.
    assert left.boxes.tolist() == [[70, 0, 110, 50]]
    assert left.ignored.tolist() == [[0, 0, 10, 50]]
    assert left.keypoints[0, 0].tolist() == [90, 10, 1]
    assert left.keypoints[0, 1, 2] == 0
    assert left.identities.tolist() == [0]


def test_a_head_that_fills_the_picture_is_somebody() -> None:
    people = labels([[0, 0, 40, 160]], [[(20, 6), (16, 5), (24, 5)]])
    head = cropped(people, np.array([0, 0]), np.array([40, 24]))
    # 15 % of the body with three joints; of the others nothing is known.
    assert head.boxes.tolist() == [[0, 0, 40, 24]]
    assert (head.keypoints[0, :, 2] > 0).sum() == 3


def test_cropping_nobody_gives_nobody() -> None:
    left = cropped(labels([]), np.array([0, 0]), np.array([10, 10]))
    assert left.boxes.shape == (0, 4)
    assert left.keypoints.shape == (0, 17, 3)


def test_hidden_joints_count_less_and_the_rest_stays() -> None:
    canvas = np.random.default_rng(0).integers(0, 255, (128, 128, 3)).astype(np.uint8)
    before = canvas.copy()
    people = labels([[0, 0, 64, 64]])
    grid = np.stack(np.meshgrid(np.linspace(1, 63, 9), [16.0, 48.0]), -1).reshape(-1, 2)[:17]
    people.keypoints[0, :, :2] = grid
    after = hide_patch(canvas, (0, 0, 64, 64), people, np.random.default_rng(3))
    changed = (canvas != before).any(-1)
    assert changed[:64, :64].sum() == changed.sum() > 100
    for (x, y), weight in zip(grid, after.keypoints[0, :, 2], strict=True):
        # Pixels of noise differ from the patch drawn over them in nearly every place.
        neighbours = changed[int(y) - 1 : int(y) + 2, max(int(x) - 1, 0) : int(x) + 2].mean()
        if neighbours > 0.7:
            assert weight == pytest.approx(0.4)
        if neighbours == 0:
            assert weight == 1
    assert (after.keypoints[0, :, 2] < 1).any()
    assert (people.keypoints[..., 2] == 1).all()
