"""SIFP: who trains at which level, crops that lose nobody, people of other sizes ignored."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.training.canvas import FILL, Canvas
from pose_tracking_ros.training.config import ConfigError, load_config
from pose_tracking_ros.training.datasets import DatasetSettings, open_dataset
from pose_tracking_ros.training.matching import BACKGROUND, IGNORED, match
from pose_tracking_ros.training.objective import Objective
from pose_tracking_ros.training.pictures import Labels, PictureSet
from pose_tracking_ros.training.scale_ranges import (
    PyramidSettings,
    groups_for_crops,
    is_trained,
    levels_of,
    random_corner,
)
from pose_tracking_ros.training.scenes import Batch, CanvasSettings, DetectionCanvases
from pose_tracking_ros.training.sifp import PyramidCanvases, detection_canvases

CONFIG = Path(__file__).parents[2] / 'config' / 'training' / 'lite.yaml'
SIDE = 128


def boxes_of(sizes: list[float]) -> np.ndarray:
    """Return square boxes with these sizes."""
    return np.array([[0, 0, size, size] for size in sizes], np.float64).reshape(-1, 4)


def random_people(rng: np.random.Generator, count: int, side: float, width: float) -> np.ndarray:
    """Return boxes of sides up to `side` in a picture three times as wide."""
    size = rng.uniform(4, side, (count, 2))
    low = rng.uniform(0, width - size)
    return np.concatenate([low, low + size], 1)


# Who trains where


def test_sifp_trains_everybody_in_the_range_at_every_level() -> None:
    settings = PyramidSettings('sifp')
    levels = levels_of(settings)
    assert [level.factor for level in levels] == [2.0, 1.5, 1.0, 0.75]
    at_factor_1 = [7.9, 8.0, 15.9, 16.0, 280.0, 280.1, 560.0, 746.6, 747.0]
    trained = {
        level.factor: [
            size
            for size in at_factor_1
            if is_trained(boxes_of([size * level.factor]), level, 1e4)[0]
        ]
        for level in levels
    }
    assert trained[2.0] == [8.0, 15.9, 16.0, 280.0]
    assert trained[1.0] == [16.0, 280.0, 280.1, 560.0]
    assert trained[0.75] == [280.0, 280.1, 560.0, 746.6]


def test_snip_trains_each_size_at_one_level_and_all_that_sifp_trains() -> None:
    snip, sifp = levels_of(PyramidSettings('snip')), levels_of(PyramidSettings('sifp'))
    for size in np.geomspace(8.01, 746, 200):
        at = [bool(is_trained(boxes_of([size * level.factor]), level, 1e4)[0]) for level in snip]
        assert sum(at) == 1, size
    # Small people at the enlarged levels.
    assert [
        int(np.argmax([is_trained(boxes_of([s * v.factor]), v, 1e4)[0] for v in snip]))
        for s in (10, 40, 120, 500)
    ] == [0, 1, 2, 3]
    for own, whole in zip(snip, sifp, strict=True):
        assert whole.min_size_px <= own.min_size_px + 1e-9
        assert own.max_size_px <= whole.max_size_px + 1e-9


def test_multi_scale_and_none_ignore_nobody() -> None:
    everybody = boxes_of([1, 15, 600, 5000])
    for level in levels_of(PyramidSettings('multi-scale')):
        assert is_trained(everybody, level, 1e4).all()
    (only,) = levels_of(PyramidSettings('none'))
    assert only.factor == 1.0
    assert is_trained(everybody, only, 1e4).all()


def test_who_does_not_fit_into_a_crop_trains_at_a_smaller_level() -> None:
    tall = np.array([[0.0, 0.0, 40.0, 130.0]])
    enlarged, same = levels_of(PyramidSettings('sifp', factors=(2.0, 1.0)))
    assert not is_trained(tall, enlarged, 128)[0]
    assert is_trained(tall, same, 128)[0]


# Crops


@pytest.mark.parametrize('seed', range(20))
def test_every_person_is_whole_in_some_crop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = random_people(rng, int(rng.integers(1, 40)), SIDE, 3 * SIDE)
    groups = groups_for_crops(boxes, SIDE)
    assert set(np.concatenate(groups).tolist()) == set(range(len(boxes)))
    picture = np.array([3.0 * SIDE, 3.0 * SIDE])
    for group in groups:
        hull = np.concatenate([boxes[group, :2].min(0), boxes[group, 2:].max(0)])
        for _ in range(5):
            corner = random_corner(hull, picture, SIDE, rng)
            assert (corner >= 0).all()
            assert (corner + SIDE <= picture).all()
            assert (boxes[group, :2] >= corner - 0.01).all()
            assert (boxes[group, 2:] <= corner + SIDE + 0.01).all()


def test_people_close_together_share_one_crop() -> None:
    near = np.array([[0.0, 0, 30, 60], [40, 10, 70, 90], [80, 0, 120, 100]])
    assert len(groups_for_crops(near, SIDE)) == 1
    apart = near + np.array([[0, 0, 0, 0], [0, 0, 0, 0], [500, 0, 500, 0]])
    assert [group.tolist() for group in groups_for_crops(apart, SIDE)] == [[0, 1], [2]]
    assert groups_for_crops(np.zeros((0, 4)), SIDE) == []


def test_small_levels_lie_whole_inside_the_padding() -> None:
    rng = np.random.default_rng(0)
    corners = np.array(
        [random_corner(np.array([0.0, 0, 5, 5]), np.array([96.0, 50.0]), SIDE, rng)
         for _ in range(200)]
    )  # fmt: skip
    assert (corners <= 0).all()
    assert (corners + SIDE >= [96, 50]).all()
    # Anywhere, not always in a corner.
    assert corners.min(0) == pytest.approx([96 - SIDE, 50 - SIDE], abs=2)
    assert corners.max(0) == pytest.approx([0, 0], abs=2)


# Canvases


@pytest.fixture
def pictures(tmp_path: Path) -> PictureSet:
    """Return one picture of 256x128 px with people of 8, 24 and 110 px, each a colour."""
    image = np.zeros((128, 256, 3), np.uint8)
    people = [(20, 20, 8, 8), (60, 40, 16, 36), (130, 5, 110, 110)]
    annotations = []
    for number, (x, y, w, h) in enumerate(people):
        image[y : y + h, x : x + w, number] = 255
        joints = [[x + w / 4, y + h / 2, 2]] * 8 + [[x + 3 * w / 4, y + h / 2, 2]] * 9
        annotations.append(
            {
                'id': number,
                'image_id': 1,
                'bbox': [x, y, w, h],
                'keypoints': np.ravel(joints).tolist(),
            }
        )
    cv2.imwrite(str(tmp_path / 'a.png'), image[..., ::-1])
    record = {'id': 1, 'file_name': 'a.png', 'width': 256, 'height': 128}
    path = tmp_path / 'annotations.json'
    path.write_text(json.dumps({'images': [record], 'annotations': annotations}))
    return PictureSet(open_dataset(DatasetSettings('set', 'coco', '.', path.name), tmp_path))


def settings_of(training: str, **changes: float) -> CanvasSettings:
    pyramid = PyramidSettings(training, **changes)  # type: ignore[arg-type]
    lite = load_config(CONFIG).canvas
    return dataclasses.replace(lite, size_px=SIDE, sampling='sifp', pyramid=pyramid)


class PlainCanvases(PyramidCanvases):
    """Keeps the colours, so that the drawn people can be found."""

    def _finished(self, canvas: np.ndarray, labels: Labels, rng: np.random.Generator) -> Canvas:
        return Canvas(canvas, labels)


def test_labels_lie_on_their_pixels_at_every_level(pictures: PictureSet) -> None:
    canvases = PlainCanvases(pictures, settings_of('multi-scale'))
    scales = set()
    for seed in range(60):
        canvas = canvases.compose(np.random.default_rng(seed))
        assert canvas.image.shape == (SIDE, SIDE, 3)
        assert len(canvas.out_of_range) == 0
        is_padding = (canvas.image == FILL).all(-1)
        for box in canvas.labels.boxes:
            x1, y1, x2, y2 = np.round(box).astype(int)
            inner = canvas.image[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1]
            if inner.size:
                assert (inner.max(-1) > 200).mean() > 0.95
        widths = (canvas.labels.boxes[:, 2] - canvas.labels.boxes[:, 0]).tolist()
        scales |= {round(w / 55, 2) for w in widths if 40 < w < 84}
        # Of twice, 1.5 times, once and 0.75 times a picture half as high as wide.
        assert min(abs(is_padding.mean() - share) for share in (0, 0.25, 0.5, 0.72)) < 0.02
    # The large person is 55 px at factor 1; enlarged twice it fits as well (110 px).
    assert {0.75, 1.0, 1.5} <= scales


def test_sifp_moves_people_of_other_sizes_out_of_the_labels(pictures: PictureSet) -> None:
    canvases = PlainCanvases(pictures, settings_of('sifp', min_size_px=10, max_size_px=60))
    seen, outside = set(), []
    for seed in range(80):
        canvas = canvases.compose(np.random.default_rng(seed))
        for box in canvas.labels.boxes:
            x1, y1, x2, y2 = np.round(box).astype(int)
            seen.add(int(canvas.image[(y1 + y2) // 2, (x1 + x2) // 2].argmax()))
        sides = canvas.out_of_range[:, 2:] - canvas.out_of_range[:, :2]
        outside += np.sqrt(sides.prod(1)).tolist()
        assert (canvas.labels.keypoints[..., 2].sum(1) > 0).all()
        assert len(canvas.labels.ignored) == 0
    # The smallest never reaches 10 px (8 at factor 2), the others train.
    assert seen == {1, 2}
    # It, and the large person at the enlarged levels, are told of.
    assert min(outside) < 10
    assert max(outside) > 60


def test_nobody_who_trains_at_a_level_is_lost(pictures: PictureSet) -> None:
    canvases = PlainCanvases(pictures, settings_of('sifp', min_size_px=6, max_size_px=120))
    whole = {}
    for seed in range(150):
        canvas = canvases.compose(np.random.default_rng(seed))
        size = canvas.labels.boxes[:, 2:] - canvas.labels.boxes[:, :2]
        for width, height in np.round(size).astype(int).tolist():
            whole[width, height] = whole.get((width, height), 0) + 1
    # Widths and heights at the levels where the size is in 6..120 px: uncut.
    expected = {(8, 8), (6, 6), (16, 36), (12, 27), (8, 18), (6, 14), (110, 110), (82, 82),
                (55, 55), (41, 41)}  # fmt: skip
    assert expected <= set(whole)


def test_same_number_gives_same_canvas(pictures: PictureSet) -> None:
    canvases = PyramidCanvases(pictures, settings_of('sifp'))
    first, second = (canvases.compose(np.random.default_rng(5)) for _ in range(2))
    assert (first.image == second.image).all()
    assert (first.labels.boxes == second.labels.boxes).all()


def test_sampling_is_chosen_by_name(pictures: PictureSet) -> None:
    chosen = settings_of('sifp')
    assert isinstance(detection_canvases(pictures, chosen), PyramidCanvases)
    composed = detection_canvases(pictures, dataclasses.replace(chosen, sampling='composed'))
    assert type(composed) is DetectionCanvases


# Ignored, for anchors and proposals alike


def test_boxes_like_somebody_of_another_size_are_ignored() -> None:
    outsider = torch.tensor([[100.0, 100.0, 200.0, 300.0]])
    boxes = torch.tensor(
        [
            [100.0, 100, 200, 300],
            [100, 100, 200, 162],  # IoU 0.31
            [100, 100, 200, 158],  # IoU 0.29
            [120, 120, 150, 160],  # inside, but unlike
        ]
    )
    none = torch.zeros(0, 4)
    owner = match(boxes, none, none, 0.5, 0.5, False, out_of_range=outsider)
    assert owner.tolist() == [IGNORED, IGNORED, BACKGROUND, BACKGROUND]


def test_somebody_in_range_beside_an_outsider_still_counts() -> None:
    person, outsider = torch.tensor([[0.0, 0, 50, 100]]), torch.tensor([[0.0, 0, 60, 120]])
    owner = match(person, person, torch.zeros(0, 4), 0.5, 0.5, False, out_of_range=outsider)
    assert owner.tolist() == [0]


def seen_owners(monkeypatch: pytest.MonkeyPatch, canvas: Canvas) -> list[torch.Tensor]:
    """Return whose each anchor, then each proposal of the canvas is."""
    from pose_tracking_ros.training import objective as module

    found = []

    def spy(*arguments: object, **named: object) -> torch.Tensor:
        owner = match(*arguments, **named)  # type: ignore[arg-type]
        found.append(owner)
        return owner

    monkeypatch.setattr(module, 'match', spy)
    torch.manual_seed(0)
    objective = Objective(build_network('lite'), None, load_config(CONFIG).objective).train()
    batch = Batch([canvas])
    objective(batch.images, batch, torch.Generator().manual_seed(0))
    return found


def test_objective_ignores_outsiders_for_anchors_and_proposals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nobody = Labels(
        np.zeros((0, 4), np.float32),
        np.zeros((0, 17, 3), np.float32),
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.int64),
    )
    image = np.random.default_rng(0).integers(0, 255, (128, 128, 3)).astype(np.uint8)
    outsider = np.array([[10, 10, 110, 120]], np.float32)
    anchors, proposals = seen_owners(monkeypatch, Canvas(image, nobody, out_of_range=outsider))
    assert (anchors == IGNORED).any()
    assert (anchors == BACKGROUND).any()
    assert (proposals == IGNORED).any()
    anchors, proposals = seen_owners(monkeypatch, Canvas(image, nobody))
    assert (anchors == BACKGROUND).all()
    assert (proposals == BACKGROUND).all()


# Configuration


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        ('sampling: random', 'canvas: sampling: expected one of composed, sifp'),
        ('pyramid: {training: all}', 'expected one of none, multi-scale, snip, sifp'),
        ('pyramid: {factors: [1.0, 1.0]}', 'factors: expected different numbers above 0'),
        ('pyramid: {factors: 2.0}', 'factors: expected a list, got 2.0'),
        ('pyramid: {factors: [two]}', r"factors\[0\]: expected <class 'float'>, got 'two'"),
        ('pyramid: {min_size_px: 600}', 'expected 0 < min_size_px < max_size_px'),
        ('pyramid: {levels: 4}', 'unknown keys: levels'),
    ],
)
def test_bad_pyramid_names_the_key(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / 'config.yaml'
    path.write_text(CONFIG.read_text().replace('canvas:\n', f'canvas:\n  {lines}\n'))
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_pyramid_from_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / 'config.yaml'
    line = '  sampling: sifp\n  pyramid: {training: snip, factors: [2, 1]}\n'
    path.write_text(CONFIG.read_text().replace('canvas:\n', f'canvas:\n{line}'))
    canvas = load_config(path).canvas
    assert (canvas.sampling, canvas.pyramid) == ('sifp', PyramidSettings('snip', (2.0, 1.0)))
    assert load_config(CONFIG).canvas.sampling == 'composed'
