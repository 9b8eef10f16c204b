"""Effects of robots' cameras, and people pasted in front of people: pixels and labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.camera_effects import (
    CameraEffects,
    darkened,
    disc,
    line,
    seen_by_camera,
)
from pose_tracking_ros.training.config import ConfigError, load_config
from pose_tracking_ros.training.copy_paste import (
    can_be_cut_out,
    covered,
    paste_person,
    silhouette,
)
from pose_tracking_ros.training.pictures import Labels

CONFIG = Path(__file__).parents[2] / 'config' / 'training' / 'lite.yaml'
EVERY = ('defocus', 'motion', 'low_light', 'gamma', 'noise', 'jpeg')


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def chequered() -> np.ndarray:
    y, x = np.mgrid[:96, :96]
    grey = np.where((y // 8 + x // 8) % 2, 200, 60).astype(np.uint8)
    return np.stack([grey, grey // 2, grey], -1)


# Effects


def test_no_effect_by_default_and_no_random_number_drawn() -> None:
    image, generator = chequered(), rng()
    assert seen_by_camera(image, load_config(CONFIG).canvas.effects, generator) is image
    assert generator.random() == rng().random()


@pytest.mark.parametrize('name', EVERY)
def test_each_effect_changes_pixels_and_neither_input_nor_shape(name: str) -> None:
    image = chequered()
    effects = CameraEffects(**{f'{name}_share': 1.0})
    seen = [seen_by_camera(image, effects, rng(seed)) for seed in range(5)]
    assert (image == chequered()).all()
    for changed in seen:
        assert (changed.shape, changed.dtype) == (image.shape, np.uint8)
        assert (changed != image).any()
    assert (seen[0] == seen_by_camera(image, effects, rng(0))).all()


@pytest.mark.parametrize('name', EVERY)
def test_share_is_how_often_an_effect_comes(name: str) -> None:
    image, generator = chequered()[:16, :16], rng(1)
    effects = CameraEffects(**{f'{name}_share': 0.3})
    came = [
        seen_by_camera(image, effects, generator) is not image for _ in range(300)
    ]  # fmt: skip
    assert 0.2 < np.mean(came) < 0.4


@pytest.mark.parametrize('kernel', [disc(0.6), disc(4.0), line(2.0, 0.3), line(12.0, 2.0)])
def test_blur_keeps_light_and_place(kernel: np.ndarray) -> None:
    assert kernel.sum() == pytest.approx(1)
    assert (kernel >= 0).all()
    # Symmetric about the middle: joints stay where they are.
    assert np.allclose(kernel, kernel[::-1, ::-1])


def test_motion_blurs_along_its_direction_only() -> None:
    y, x = np.nonzero(line(11.0, 0.0) > 1e-9)
    assert np.ptp(y) == 0
    assert np.ptp(x) == 10
    y, x = np.nonzero(line(11.0, np.pi / 2) > 1e-3)
    assert np.ptp(x) == 0


def test_less_light_is_darker_and_noisier() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    bright, dim = darkened(grey, 1.0, rng()), darkened(grey, 0.1, rng())
    assert abs(float(bright.mean()) - 128) < 3
    assert dim.mean() < 90
    assert dim.std() / dim.mean() > 1.5 * bright.std() / bright.mean()


@pytest.mark.parametrize(
    ('line_', 'message'),
    [
        ('noise_share: 2', 'noise_share: expected 0 to 1, got 2'),
        ('min_light: 0', 'min_light: expected above 0 to 1'),
        ('max_gamma: 0.5', 'max_gamma: expected at least 1'),
        ('min_jpeg_quality: 0', 'min_jpeg_quality: expected 1 to 100'),
        ('max_motion_px: -1', 'max_motion_px: expected at least 0'),
    ],
)
def test_bad_effect_names_the_key(tmp_path: Path, line_: str, message: str) -> None:
    path = tmp_path / 'config.yaml'
    path.write_text(CONFIG.read_text().replace('canvas:\n', f'canvas:\n  effects: {{{line_}}}\n'))
    with pytest.raises(ConfigError, match=message):
        load_config(path)


# People before people

STANDING = {
    'nose': (0.5, 0.06), 'left_eye': (0.53, 0.05), 'right_eye': (0.47, 0.05),
    'left_ear': (0.57, 0.06), 'right_ear': (0.43, 0.06), 'left_shoulder': (0.72, 0.2),
    'right_shoulder': (0.28, 0.2), 'left_elbow': (0.8, 0.37), 'right_elbow': (0.2, 0.37),
    'left_wrist': (0.82, 0.52), 'right_wrist': (0.18, 0.52), 'left_hip': (0.63, 0.53),
    'right_hip': (0.37, 0.53), 'left_knee': (0.65, 0.76), 'right_knee': (0.35, 0.76),
    'left_ankle': (0.66, 0.97), 'right_ankle': (0.34, 0.97),
}  # fmt: skip


def standing(*boxes: tuple[float, float, float, float]) -> Labels:
    """Return people who fill the boxes, all joints labelled."""
    array = np.array(boxes, np.float32).reshape(-1, 4)
    share = np.array([STANDING[name] for name in COCO_17.joints])
    points = array[:, None, :2] + share * (array[:, 2:] - array[:, :2])[:, None]
    keypoints = np.concatenate([points, np.ones((len(array), 17, 1))], -1).astype(np.float32)
    return Labels(array, keypoints, np.zeros((0, 4), np.float32), np.full(len(array), 7))


def test_silhouette_holds_the_body_and_not_the_background() -> None:
    mask = silhouette(standing((20, 10, 80, 170)).keypoints[0], (180, 100))
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert mask[90, 50] == 1  # belly
    assert mask[22, 50] == 1  # head
    assert mask[140, 50] == 0  # between the legs
    assert (mask[:, :10] == 0).all()
    assert 0.25 < (mask > 0.5).sum() / (60 * 160) < 0.7


def test_only_whole_people_are_cut_out() -> None:
    people = standing((0, 0, 40, 100), (50, 0, 90, 100))
    people.keypoints[1, :5, 2] = 0
    assert can_be_cut_out(people).tolist() == [0]
    canvas = np.zeros((200, 200, 3), np.uint8)
    labels = standing((60, 40, 110, 160))
    people.keypoints[0, :5, 2] = 0
    same = paste_person(canvas, labels, np.full((100, 90, 3), 255, np.uint8), people, rng())
    assert same is labels
    assert not canvas.any()


@pytest.mark.parametrize('seed', range(12))
def test_pasted_person_is_labelled_where_drawn_and_hides_joints(seed: int) -> None:
    canvas = np.zeros((240, 240, 3), np.uint8)
    labels = standing((90, 40, 150, 190))
    picture = np.full((140, 80, 3), 255, np.uint8)
    after = paste_person(canvas, labels, picture, standing((10, 5, 70, 135)), rng(seed))
    drawn = canvas[..., 0] > 127
    y, x = np.nonzero(drawn)
    assert np.abs(
        after.boxes[-1] - [x.min(), y.min(), x.max() + 1, y.max() + 1]
    ).max() <= 1  # fmt: skip
    assert after.identities[-1] == -1
    new = after.keypoints[-1]
    joints = np.floor(new[new[:, 2] > 0, :2]).astype(int)
    assert len(joints) >= 5
    assert drawn[joints[:, 1], joints[:, 0]].mean() > 0.9
    for person in range(len(after.boxes) - 1):
        before = labels.keypoints[person]
        cells = np.floor(before[:, :2]).astype(int)
        is_hidden = drawn[cells[:, 1], cells[:, 0]]
        assert after.keypoints[person, :, 2].tolist() == pytest.approx(
            np.where(is_hidden, 0.4, 1.0).tolist()
        )
    # The one behind is labelled, or ignored where mostly covered; never background.
    assert len(after.boxes) + len(after.ignored) == 2


def test_mirrored_people_keep_their_left_on_the_right_of_the_picture() -> None:
    """Seen from the front, somebody's left is at the right, mirrored or not."""
    for seed in range(8):
        canvas = np.zeros((240, 240, 3), np.uint8)
        picture = np.full((140, 80, 3), 255, np.uint8)
        after = paste_person(
            canvas, standing((90, 40, 150, 190)), picture, standing((10, 5, 70, 135)), rng(seed)
        )
        left, right = (
            after.keypoints[-1, COCO_17.index(f'{s}_hip'), 0] for s in ('left', 'right')
        )
        assert left > right


def test_who_is_mostly_covered_becomes_a_region_to_ignore() -> None:
    mask = np.zeros((100, 100), np.float32)
    mask[:, :38] = 1
    left = covered(standing((0, 0, 40, 100), (60, 0, 100, 100)), mask)
    assert left.boxes.tolist() == [[60, 0, 100, 100]]
    assert left.ignored.tolist() == [[0, 0, 40, 100]]
    assert (left.keypoints[..., 2] == 1).all()


def test_nobody_is_pasted_unless_asked_for() -> None:
    assert load_config(CONFIG).canvas.paste_share == 0
