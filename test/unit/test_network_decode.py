"""Geometry: round trips between boxes, deltas, cells and heatmaps; NMS against torchvision."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import nms

from pose_tracking_ros.network.decode import (
    BOX_WEIGHTS,
    RPN_WEIGHTS,
    boxes_from_deltas,
    cells_from_points,
    deltas_from_boxes,
    expand_boxes,
    fixed_round_nms,
    keypoints_from_heatmaps,
    points_from_cells,
)


def random_boxes(count: int, seed: int = 0, side: float = 400.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * side
    size = torch.rand(count, 2, generator=generator) * 200 + 5
    return torch.cat([corner, corner + size], 1)


@pytest.mark.parametrize('weights', [RPN_WEIGHTS, BOX_WEIGHTS])
@pytest.mark.parametrize('count', [0, 1, 200])
def test_box_deltas_round_trip(weights: tuple[float, ...], count: int) -> None:
    reference, goal = random_boxes(count, 1), random_boxes(count, 2)
    deltas = deltas_from_boxes(goal, reference, weights)
    assert torch.allclose(boxes_from_deltas(deltas, reference, weights), goal, atol=1e-2)


def test_zero_deltas_keep_the_box() -> None:
    boxes = random_boxes(5)
    assert torch.allclose(boxes_from_deltas(torch.zeros(5, 4), boxes, BOX_WEIGHTS), boxes)


def test_huge_deltas_stay_finite() -> None:
    boxes = boxes_from_deltas(torch.full((1, 4), 1e6), random_boxes(1), RPN_WEIGHTS)
    assert torch.isfinite(boxes).all()


@pytest.mark.parametrize('grid', [(22, 16), (16, 12), (14, 14)])
@pytest.mark.parametrize('margin', [1.0, 1.25])
def test_expanded_boxes_have_the_grids_shape_and_contain_the_box(
    grid: tuple[int, int], margin: float
) -> None:
    boxes = random_boxes(200, 3)
    grown = expand_boxes(boxes, grid, margin)
    size = grown[:, 2:] - grown[:, :2]
    assert torch.allclose(size[:, 1] / size[:, 0], torch.tensor(grid[0] / grid[1]), rtol=1e-4)
    assert (grown[:, :2] <= boxes[:, :2] + 1e-3).all()
    assert (grown[:, 2:] >= boxes[:, 2:] - 1e-3).all()
    assert torch.allclose(grown[:, :2] + grown[:, 2:], boxes[:, :2] + boxes[:, 2:], atol=1e-2)


def test_expansion_grows_one_side_only_without_margin() -> None:
    wide = torch.tensor([[0.0, 0.0, 160.0, 100.0]])
    assert expand_boxes(wide, (22, 16)).tolist() == [[0.0, -60.0, 160.0, 160.0]]


@pytest.mark.parametrize('count', [0, 1, 200])
def test_points_and_cells_round_trip(count: int) -> None:
    boxes = expand_boxes(random_boxes(count, 4), (22, 16))
    points = torch.rand(count, 17, 2) * 500 - 50
    cells = cells_from_points(points, boxes, (88, 64))
    assert torch.allclose(points_from_cells(cells, boxes, (88, 64)), points, atol=1e-2)


def test_box_corners_are_the_outer_edges_of_the_corner_cells() -> None:
    box = torch.tensor([[10.0, 20.0, 74.0, 108.0]])
    corners = torch.tensor([[[10.0, 20.0], [74.0, 108.0]]])
    assert cells_from_points(corners, box, (88, 64)).tolist() == [[[-0.5, -0.5], [63.5, 87.5]]]


def gaussian_logits(
    cells: torch.Tensor, grid: tuple[int, int], sigma: float = 1.0
) -> torch.Tensor:
    y = torch.arange(grid[0]).float()[:, None]
    x = torch.arange(grid[1]).float()[None]
    square = (x - cells[..., 0, None, None]) ** 2 + (y - cells[..., 1, None, None]) ** 2
    return -square / (2 * sigma**2)


@pytest.mark.parametrize('grid', [(32, 24), (88, 64)])
@pytest.mark.parametrize('count', [0, 1, 200])
def test_heatmap_decoding_returns_the_encoded_point(grid: tuple[int, int], count: int) -> None:
    boxes = expand_boxes(random_boxes(count, 5), grid)
    generator = torch.Generator().manual_seed(6)
    # At least two cells inside, so that the whole window lies on the map.
    limit = torch.tensor([grid[1], grid[0]]) - 5
    cells = torch.rand(count, 17, 2, generator=generator) * limit + 2
    points, scores = keypoints_from_heatmaps(gaussian_logits(cells, grid, 0.8), boxes)
    expected = points_from_cells(cells, boxes, grid)
    cell_px = ((boxes[:, 2:] - boxes[:, :2]) / torch.tensor([grid[1], grid[0]]))[:, None]
    assert points.shape == (count, 17, 2)
    assert ((points - expected).abs() <= 0.1 * cell_px + 1e-3).all()
    assert ((scores > 0.9) & (scores <= 1)).all()


def test_heatmap_peaks_at_the_border_stay_within_half_a_cell() -> None:
    box = torch.tensor([[0.0, 0.0, 24.0, 32.0]])
    cells = torch.tensor([[[0.0, 0.0], [23.0, 31.0], [0.0, 31.0]]])
    points, _ = keypoints_from_heatmaps(gaussian_logits(cells, (32, 24), 0.6), box)
    assert (points - (cells + 0.5)).abs().max() < 0.5


def test_second_far_peak_does_not_pull_the_point_but_lowers_the_score() -> None:
    box = torch.tensor([[0.0, 0.0, 24.0, 32.0]])
    first = gaussian_logits(torch.tensor([[[5.0, 5.0]]]), (32, 24))
    second = gaussian_logits(torch.tensor([[[18.0, 25.0]]]), (32, 24))
    points, scores = keypoints_from_heatmaps(torch.logaddexp(first + 0.5, second), box)
    assert (points - 5.5).abs().max() < 0.1
    assert 0.5 < float(scores) < 0.7


def test_flat_heatmap_scores_low() -> None:
    box = torch.tensor([[0.0, 0.0, 24.0, 32.0]])
    _, scores = keypoints_from_heatmaps(torch.zeros(1, 17, 32, 24), box)
    assert scores.max() < 25 / (32 * 24) + 1e-6


@pytest.mark.parametrize('seed', range(20))
@pytest.mark.parametrize('iou', [0.3, 0.5, 0.7])
def test_fixed_round_nms_equals_greedy(seed: int, iou: float) -> None:
    boxes = random_boxes(120, seed, side=300.0)
    scores = torch.rand(120, generator=torch.Generator().manual_seed(seed))
    greedy = torch.zeros(120, dtype=torch.bool)
    greedy[nms(boxes, scores, iou)] = True
    assert torch.equal(fixed_round_nms(boxes, scores, iou), greedy)


def test_fixed_round_nms_of_nothing() -> None:
    assert fixed_round_nms(torch.zeros(0, 4), torch.zeros(0), 0.5).shape == (0,)
