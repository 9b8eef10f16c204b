"""Matching, sampling, losses, canvases, schedule and configuration, each on its own."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from pose_tracking_ros.training.averaging import AveragedWeights, settle_norms
from pose_tracking_ros.training.canvas import FILL, change_colours, joined, place
from pose_tracking_ros.training.config import ConfigError, load_config
from pose_tracking_ros.training.loop import learning_rate_at
from pose_tracking_ros.training.losses.boxes import box_loss
from pose_tracking_ros.training.losses.identity import IdentityLoss
from pose_tracking_ros.training.losses.keypoints import gaussian_targets, spatial_softmax_loss
from pose_tracking_ros.training.matching import BACKGROUND, IGNORED, Sampler, jittered, match
from pose_tracking_ros.training.pictures import Labels

CONFIG = Path(__file__).parents[2] / 'config' / 'training' / 'lite.yaml'
PERSON = torch.tensor([[10.0, 10.0, 50.0, 110.0]])
NOTHING = torch.zeros(0, 4)


def owners(
    boxes: list[list[float]], ignored: torch.Tensor = NOTHING, best: bool = False
) -> list[int]:
    return match(torch.tensor(boxes), PERSON, ignored, 0.7, 0.3, keep_best=best).tolist()


def test_match_by_overlap() -> None:
    same, half, apart = [10.0, 10, 50, 110], [10.0, 10, 50, 60], [200.0, 200, 240, 300]
    assert owners([same, half, apart]) == [0, IGNORED, BACKGROUND]


def test_best_box_is_kept_however_little_it_overlaps() -> None:
    quarter = [10.0, 10, 50, 35]
    assert owners([quarter]) == [BACKGROUND]
    assert owners([quarter], best=True) == [0]


def test_boxes_on_ignored_regions_are_neither() -> None:
    region = torch.tensor([[200.0, 200.0, 400.0, 400.0]])
    like_it, inside, beside = (
        [200.0, 200, 400, 390],
        [210.0, 210, 230, 230],
        [300.0, 410, 350, 450],
    )
    assert owners([like_it, inside, beside], region) == [IGNORED, IGNORED, BACKGROUND]


def test_a_person_in_an_ignored_region_still_counts() -> None:
    assert owners([[10.0, 10, 50, 110]], torch.tensor([[0.0, 0.0, 300.0, 300.0]])) == [0]


def test_no_people_and_no_boxes() -> None:
    assert match(torch.rand(5, 4), NOTHING, NOTHING, 0.7, 0.3, True).tolist() == [BACKGROUND] * 5
    assert len(match(NOTHING, PERSON, NOTHING, 0.7, 0.3, keep_best=False)) == 0


def test_sampler_bounds_and_fills() -> None:
    owner = torch.cat([torch.zeros(50), torch.full((500,), -1.0), torch.full((9,), -2.0)]).long()
    positive, negative = Sampler(torch.Generator().manual_seed(0)).choose(owner, 64, 0.25)
    assert len(positive) == 16
    assert len(negative) == 48
    assert (owner[positive] == 0).all()
    assert (owner[negative] == BACKGROUND).all()
    few, rest = Sampler(torch.Generator()).choose(owner[49:], 64, 0.25)
    assert (len(few), len(rest)) == (1, 63)


def test_jitter_is_bounded_and_repeats() -> None:
    boxes = PERSON.repeat(500, 1)
    moved = jittered(boxes, torch.Generator().manual_seed(1), amount=0.1)
    assert torch.equal(moved, jittered(boxes, torch.Generator().manual_seed(1), amount=0.1))
    relative = (moved - boxes) / torch.tensor([40.0, 100.0, 40.0, 100.0])
    assert relative.abs().max() <= 0.25 + 1e-6
    assert 0.08 < relative.std() < 0.12


def test_gaussian_peak_lies_on_the_joint() -> None:
    target = gaussian_targets(torch.tensor([[[3.0, 5.0]]]), (8, 6), 1.0)
    assert target.shape == (1, 1, 8, 6)
    assert target[0, 0, 5, 3] == 1
    assert float(target[0, 0, 5, 4]) == pytest.approx(np.exp(-0.5))


def test_pose_loss_is_least_at_the_right_place_and_blind_to_unlabelled() -> None:
    cells = torch.tensor([[[2.0, 3.0], [9.0, 9.0]]])
    right = torch.full((1, 2, 12, 12), -8.0)
    right[0, 0, 3, 2] = 8
    wrong = right.roll(4, 3)
    weights = torch.tensor([[1.0, 0.0]])
    small = spatial_softmax_loss(right, cells, weights, 0.3)
    large = spatial_softmax_loss(wrong, cells, weights, 0.3)
    assert small < 0.5 < 5 < large
    changed = right.clone()
    changed[0, 1] = 100 * torch.randn(12, 12)
    assert spatial_softmax_loss(changed, cells, weights, 0.3) == small


def test_pose_loss_is_normalised_by_what_is_labelled() -> None:
    cells = torch.rand(4, 17, 2) * 10
    logits = torch.zeros(4, 17, 12, 12)
    one = torch.zeros(4, 17)
    one[0, 0] = 1
    every = spatial_softmax_loss(logits, cells, torch.ones(4, 17), 1.0)
    assert float(every) == pytest.approx(np.log(144), rel=1e-4)
    assert spatial_softmax_loss(logits, cells, one, 1.0) == pytest.approx(float(every), rel=1e-4)
    assert spatial_softmax_loss(logits, cells, torch.zeros(4, 17), 1.0) == 0


def test_box_loss_of_perfect_boxes_is_zero() -> None:
    deltas = torch.rand(3, 4)
    assert box_loss(deltas, deltas, 10) == 0
    assert box_loss(deltas, deltas + 1, 6) == pytest.approx(
        2 * float(box_loss(deltas, deltas + 1, 12))
    )


def test_identity_loss_ignores_unlabelled_people() -> None:
    torch.manual_seed(0)
    loss = IdentityLoss(8, 5)
    embeddings = torch.nn.functional.normalize(torch.randn(4, 8), dim=1)
    known = loss(embeddings[:2], torch.tensor([1, 3]))
    assert loss(embeddings, torch.tensor([1, 3, -1, -1])) == known
    assert loss(embeddings, torch.full((4,), -1)) == 0


def labels_of(boxes: list[list[float]]) -> Labels:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    keypoints = np.zeros((len(array), 17, 3), np.float32)
    keypoints[:, 5] = [*array[0, :2], 1] if len(array) else 0
    return Labels(array, keypoints, np.zeros((0, 4), np.float32), np.full(len(array), -1))


@pytest.mark.parametrize('seed', range(12))
def test_labels_move_with_the_pixels(seed: int) -> None:
    """A bright square is where its box says, whatever scale, shift and flip."""
    rng = np.random.default_rng(seed)
    image = np.zeros((100, 140, 3), np.uint8)
    image[40:60, 70:100] = 255
    canvas = np.zeros((256, 256, 3), np.uint8)
    moved = place(canvas, (20, 30, 250, 240), image, labels_of([[70, 40, 100, 60]]), rng, 1.4, 0.0)
    ys, xs = np.nonzero(canvas[..., 0] > 127)
    drawn = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    assert np.abs(moved.boxes[0] - drawn).max() <= 1.0
    x, y, weight = moved.keypoints[0, 5 if moved.keypoints[0, 5, 2] else 6]
    assert weight == 1
    flipped = moved.keypoints[0, 6, 2] == 1
    corner = [drawn[2] if flipped else drawn[0], drawn[1]]
    assert np.abs([x - corner[0], y - corner[1]]).max() <= 1.0


def test_people_cut_off_become_ignored_and_joints_outside_are_unlabelled() -> None:
    rng = np.random.default_rng(0)
    image = np.zeros((100, 100, 3), np.uint8)
    canvas = np.zeros((50, 50, 3), np.uint8)
    labels = labels_of([[0, 0, 100, 100]])
    moved = place(canvas, (0, 0, 50, 50), image, labels, rng, 1.0, 0.0)
    assert len(moved.boxes) == 0
    assert len(moved.ignored) == 1
    assert moved.ignored.min() >= 0
    assert moved.ignored.max() <= 50


def test_uncovered_canvas_has_the_fill_colour() -> None:
    canvas = np.zeros((64, 64, 3), np.uint8)
    place(canvas, (0, 0, 64, 64), np.zeros((10, 10, 3), np.uint8), labels_of([]),
          np.random.default_rng(0), 1.0, 0.0)  # fmt: skip
    # The picture's edges fall between canvas pixels.
    covered = 64 * 64 - int((canvas == FILL).all(-1).sum())
    assert 100 <= covered <= 11 * 11


def test_joined_labels_keep_their_order() -> None:
    both = joined([labels_of([[0, 0, 1, 1]]), labels_of([[2, 2, 3, 3], [4, 4, 5, 5]])])
    assert both.boxes[:, 0].tolist() == [0, 2, 4]
    assert len(both.keypoints) == len(both.identities) == 3


def test_colour_change_keeps_shape_and_input() -> None:
    image = np.full((20, 30, 3), 100, np.uint8)
    changed = [change_colours(image, np.random.default_rng(seed)) for seed in range(20)]
    assert all(c.shape == image.shape and c.dtype == np.uint8 for c in changed)
    assert (image == 100).all()
    assert len({c.tobytes() for c in changed}) == 20


def test_learning_rate_rises_stays_and_falls() -> None:
    settings = load_config(CONFIG).optimiser
    rates = [learning_rate_at(step, settings) for step in range(settings.steps)]
    assert rates[0] == pytest.approx(1 / settings.warmup_steps)
    assert rates[settings.warmup_steps] == 1
    assert max(rates) == 1
    assert rates[-1] < 1e-3
    tail = rates[settings.steps // 2 + 1 :]
    assert all(a >= b for a, b in itertools.pairwise(tail))


def test_averaged_weights_follow_slowly_and_copy_buffers() -> None:
    module = torch.nn.BatchNorm1d(2)
    averaged = AveragedWeights(module, 0.9)
    with torch.no_grad():
        module.weight.fill_(3.0)
        module.running_mean.fill_(5.0)
    averaged.update(module, step=1000)
    assert averaged.state['weight'].tolist() == pytest.approx([1.2, 1.2])
    assert averaged.state['running_mean'].tolist() == [5, 5]


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('seed: 61', 'sead: 61', 'missing keys: seed; unknown keys: sead'),
        ('workers: 1', 'workers: two', "workers: expected <class 'int'>, got 'two'"),
        ('data:', 'data: 5 #', 'not readable as YAML|data: expected a mapping'),
        ('  size_px: 384', '  size_px: big', 'canvas: size_px: expected'),
        ('seed: 61', 'seed: [', 'not readable as YAML'),
    ],
)
def test_bad_config_names_the_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = CONFIG.read_text()
    assert old in text
    path = tmp_path / 'config.yaml'
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_missing_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='no such file'):
        load_config(tmp_path / 'none.yaml')


def test_settled_norms_have_the_statistics_of_the_batches() -> None:
    norm = torch.nn.BatchNorm1d(2, momentum=0.1)
    batches = [torch.tensor([[1.0, 10.0], [3.0, 30.0]]), torch.tensor([[5.0, 0.0], [7.0, 0.0]])]
    with torch.no_grad():
        norm.running_mean.fill_(99.0)
    settle_norms(norm, norm, batches)
    assert norm.running_mean.tolist() == [4.0, 10.0]
    assert norm.running_var.tolist() == [2.0, 100.0]
    assert not norm.training
    assert norm.momentum == 0.1


def test_norms_that_no_batch_reaches_keep_their_statistics() -> None:
    network = torch.nn.ModuleDict(
        {'used': torch.nn.BatchNorm1d(1), 'idle': torch.nn.BatchNorm1d(1)}
    )
    with torch.no_grad():
        network['idle'].running_mean.fill_(5.0)
    settle_norms(network, network['used'], [torch.tensor([[1.0], [3.0]])])
    assert network['used'].running_mean.tolist() == [2.0]
    assert network['idle'].running_mean.tolist() == [5.0]
