"""Decodings of heatmaps, one for each pose loss, and how checkpoints carry them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pose_tracking_ros.inference.onnx_files import facts_of
from pose_tracking_ros.network.decode import keypoints_from_heatmaps, points_from_cells
from pose_tracking_ros.network.detection import Selection
from pose_tracking_ros.network.heatmaps import DECODINGS, decode_heatmaps
from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.network.weights import (
    Provenance,
    WeightsError,
    load_network,
    save_weights,
)

BOX = torch.tensor([[10.0, 20.0, 58.0, 84.0]])
GRID = (32, 24)


def gaussian(cells: torch.Tensor, sigma: float, peak: float = 0.9) -> torch.Tensor:
    """Return logits whose sigmoid is a Gaussian about (column, row)."""
    y, x = torch.arange(GRID[0])[:, None], torch.arange(GRID[1])[None]
    square = (x - cells[..., 0, None, None]) ** 2 + (y - cells[..., 1, None, None]) ** 2
    return torch.logit((peak * torch.exp(-square / (2 * sigma**2))).double(), eps=1e-12)


@pytest.mark.parametrize('sigma', [1.0, 2.0])
def test_sigmoid_decoding_of_a_gaussian_is_exact(sigma: float) -> None:
    generator = torch.Generator().manual_seed(0)
    cells = torch.rand(1, 17, 2, generator=generator) * torch.tensor([20.0, 28.0]) + 1.6
    points, scores = decode_heatmaps(gaussian(cells, sigma), BOX.double(), 'sigmoid_peak')
    assert (points - points_from_cells(cells, BOX, GRID)).abs().max() < 1e-3
    # The peak lies between cells, at most half a diagonal away.
    assert ((scores <= 0.9 + 1e-6) & (scores > 0.9 * 0.77)).all()


def test_sigmoid_decoding_at_the_border_stays_in_the_cell() -> None:
    cells = torch.tensor([[[0.0, 0.0], [23.0, 31.0], [0.0, 31.0]]])
    points, _ = decode_heatmaps(gaussian(cells, 1.0), BOX.double(), 'sigmoid_peak')
    assert (points - points_from_cells(cells, BOX, GRID)).abs().max() < 1e-6


def test_two_step_decoding_is_the_mean_and_the_largest_sigmoid() -> None:
    cells = torch.tensor([[[11.3, 15.8]]])
    points, scores = decode_heatmaps(gaussian(cells, 1.5), BOX.double(), 'two_step_integral')
    assert (points - points_from_cells(cells, BOX, GRID)).abs().max() < 1e-3
    assert float(scores) == pytest.approx(float(gaussian(cells, 1.5).sigmoid().max()))


def test_two_step_score_does_not_depend_on_how_wide_the_joint_is() -> None:
    cells = torch.tensor([[[12.0, 16.0]]])
    scores = [
        float(decode_heatmaps(gaussian(cells, sigma), BOX.double(), 'two_step_integral')[1])
        for sigma in (0.7, 3.0)
    ]
    assert scores == pytest.approx([0.9, 0.9])


@pytest.mark.parametrize('decoding', DECODINGS)
def test_extreme_maps_give_finite_points_inside_and_scores_in_range(decoding: str) -> None:
    torch.manual_seed(0)
    maps = [
        torch.zeros(1, 2, *GRID),
        torch.full((1, 2, *GRID), -1e4),
        torch.randn(1, 2, *GRID) * 1e3,
    ]
    for heatmaps in maps:
        points, scores = decode_heatmaps(heatmaps, BOX, decoding)  # type: ignore[arg-type]
        assert ((points >= BOX[:, None, :2] - 1) & (points <= BOX[:, None, 2:] + 1)).all()
        assert ((scores >= 0) & (scores <= 1)).all()


def test_default_decoding_is_the_one_before_there_was_a_choice() -> None:
    torch.manual_seed(0)
    heatmaps = torch.randn(2, 17, *GRID)
    boxes = BOX.repeat(2, 1)
    found = decode_heatmaps(heatmaps, boxes, build_network('lite').layout.decoding)
    for ours, before in zip(found, keypoints_from_heatmaps(heatmaps, boxes), strict=True):
        assert torch.equal(ours, before)


@pytest.mark.parametrize('decoding', DECODINGS)
def test_checkpoint_carries_the_decoding_and_inference_uses_it(
    tmp_path: Path, decoding: str
) -> None:
    torch.manual_seed(0)
    network = build_network('lite').eval()
    network.decoding = decoding  # type: ignore[assignment]
    path = tmp_path / 'a.safetensors'
    save_weights(network, path, 'lite', {}, half=False)
    loaded, provenance = load_network('lite', path)
    assert loaded.decoding == provenance.decoding == loaded.layout.decoding == decoding
    image = torch.rand(1, 3, 128, 128) * 255
    chosen = Selection(min_score=0.0, max_people=3)
    found = loaded(image, chosen)[0]
    loaded.decoding = 'softmax_window'
    as_before = loaded(image, chosen)[0]
    assert len(found.boxes) == 3
    assert torch.equal(found.boxes, as_before.boxes)
    is_same = torch.equal(found.keypoint_scores, as_before.keypoint_scores)
    assert is_same == (decoding == 'softmax_window')


def test_default_decoding_leaves_no_trace_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'a.safetensors'
    save_weights(build_network('lite'), path, 'lite', {})
    with safe_open(path, framework='pt') as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert 'pose_decoding' not in metadata
    save_file(tensors, path, {**metadata, 'pose_decoding': 'guess'})
    with pytest.raises(WeightsError, match='pose_decoding: expected one of .*, got guess'):
        load_network('lite', path)


def test_exported_files_say_how_to_decode_unless_as_ever() -> None:
    plain = Provenance('lite', 'coco_17', '0' * 64, {})
    assert 'decoding' not in facts_of(plain)
    other = dataclasses.replace(plain, decoding='sigmoid_peak')
    assert facts_of(other) == {**facts_of(plain), 'decoding': 'sigmoid_peak'}
