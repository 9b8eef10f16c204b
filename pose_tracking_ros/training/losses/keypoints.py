"""Losses of heatmaps; each joint counts by its weight, and no weight at all gives exactly 0.

Which of them trained a head decides how its heatmaps are decoded (`DECODING_OF`).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pose_tracking_ros.network.heatmaps import (
    Decoding,
    expected_cells,
    two_step_distribution,
)

PoseLoss = Literal['softmax', 'rce', 'sikr']
DECODING_OF: dict[PoseLoss, Decoding] = {
    'softmax': 'softmax_window',
    'rce': 'sigmoid_peak',
    'sikr': 'two_step_integral',
}
# A map's side over the amplitude of the symmetric gradient (AlphaPose §3.1.1).
_SIDE_PER_AMPLITUDE = 8


def gaussian_targets(
    cells: Float[Tensor, 'box joint 2'], grid: tuple[int, int], sigma_cells: float
) -> Float[Tensor, 'box joint rows columns']:
    """Return Gaussian bumps, peak 1, centred on (column, row) of each map."""
    rows, columns = grid
    x = torch.arange(columns, device=cells.device, dtype=cells.dtype)
    y = torch.arange(rows, device=cells.device, dtype=cells.dtype)
    dx = (x - cells[..., :1]) ** 2
    dy = (y - cells[..., 1:]) ** 2
    return torch.exp(-(dy[..., :, None] + dx[..., None, :]) / (2 * sigma_cells**2))


def spatial_softmax_loss(
    logits: Float[Tensor, 'box joint rows columns'],
    cells: Float[Tensor, 'box joint 2'],
    weights: Float[Tensor, 'box joint'],
    sigma_cells: float,
) -> Tensor:
    """Cross-entropy between the softmax over all cells and a small Gaussian about the joint.

    Mask R-CNN (arXiv 1703.06870 §5) puts the whole target on one cell; spreading it lets
    neighbouring cells carry the position between cells, which the integral decoding reads.

    Args:
        logits: heatmaps.
        cells: column and row of each joint; may lie between cells.
        weights: 0 for joints that are not labelled or outside of the map.
        sigma_cells: width of the Gaussian.
    """
    rows, columns = logits.shape[-2:]
    target = gaussian_targets(cells, (rows, columns), sigma_cells).flatten(2)
    target = target / target.sum(-1, keepdim=True).clamp_min(1e-6)
    per_joint = -(target * logits.flatten(2).log_softmax(-1)).sum(-1)
    return _mean_over_joints(per_joint, weights)


def regressive_cross_entropy(
    logits: Float[Tensor, 'box joint rows columns'],
    cells: Float[Tensor, 'box joint 2'],
    weights: Float[Tensor, 'box joint'],
    sigma_cells: float,
) -> Tensor:
    """Regressive cross-entropy (RCE, FasterPose): -[h·log σ(z) + (1-h)·log(1-σ(z))].

    The target h is a Gaussian of peak 1 about the joint; each cell is its own binary problem with
    a continuous answer, so low-resolution maps keep the position between cells. The sum over the
    cells is divided by the Gaussian's mass 2πσ²: the gradient at a joint is then about as strong
    as that of `spatial_softmax_loss`, whatever the size of the map. (Read from the abstract: the
    paper's own normalisation is not known to us.)

    Args:
        logits: heatmaps.
        cells: column and row of each joint; may lie between cells.
        weights: 0 for joints that are not labelled or outside of the map.
        sigma_cells: width of the Gaussian.
    """
    rows, columns = logits.shape[-2:]
    target = gaussian_targets(cells, (rows, columns), sigma_cells)
    per_cell = F.binary_cross_entropy_with_logits(logits, target, reduction='none')
    per_joint = per_cell.sum((-2, -1)) / (2 * torch.pi * sigma_cells**2)
    return _mean_over_joints(per_joint, weights)


def symmetric_integral_loss(
    logits: Float[Tensor, 'box joint rows columns'],
    cells: Float[Tensor, 'box joint 2'],
    weights: Float[Tensor, 'box joint'],
    amplitude: float = 0.0,
) -> Tensor:
    """Symmetric integral keypoint regression (SIKR, AlphaPose arXiv 2211.03375 §3.1).

    The distance |μ - μ̂| in cells, columns and rows added, between the joint and the expected
    position of the two-step distribution (`two_step_distribution`). Backwards, the gradient for
    the probability of a cell at x is not x (large far from the origin) but the amplitude times
    sgn(x - μ̂)·sgn(μ̂ - μ): symmetric about the estimate (Eq. 3).

    Args:
        logits: heatmaps.
        cells: column and row of each joint; may lie between cells.
        weights: 0 for joints that are not labelled or outside of the map.
        amplitude: of the gradient, cells; 0 for an eighth of the map's side along each axis, as
            the paper derives. AlphaPose's released code has 2.
    """
    rows, columns = logits.shape[-2:]
    share = two_step_distribution(logits)
    amplitudes = (
        amplitude or columns / _SIDE_PER_AMPLITUDE,
        amplitude or rows / _SIDE_PER_AMPLITUDE,
    )
    found: Tensor = _SymmetricIntegral.apply(share, amplitudes)
    per_joint = (found - cells).abs().sum(-1)
    return _mean_over_joints(per_joint, weights)


@torch.no_grad()
def expect_nothing(head: nn.Module, sigma_cells: float, cells: int) -> None:
    """Set a pose head's last bias so that σ(z) starts at the mean of `gaussian_targets`.

    Else nearly all cells would begin at 0.5 where 0 is right, and the first steps of
    `regressive_cross_entropy` would be about nothing else (as for rare foreground, arXiv
    1708.02002 §4.1). `symmetric_integral_loss` gains too: where σ(z) is small, the two-step
    distribution follows z as quickly as a softmax does. (On four pictures and 60 steps it halved
    the error.)

    Args:
        head: its last layer, in the order of its modules, makes the heatmaps.
        sigma_cells: width of the target.
        cells: of a map.
    """
    share = min(2 * math.pi * sigma_cells**2 / cells, 0.5)
    layers = [m for m in head.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    bias = layers[-1].bias
    assert bias is not None
    bias.fill_(math.log(share / (1 - share)))


class _SymmetricIntegral(torch.autograd.Function):
    """Expected position forwards, sign of the distance from it backwards (Eq. 3)."""

    @staticmethod
    def forward(
        ctx: Any, share: Float[Tensor, 'box joint rows columns'], amplitudes: tuple[float, float]
    ) -> Float[Tensor, 'box joint 2']:
        """Return column and row."""
        found = expected_cells(share)
        ctx.save_for_backward(found)
        ctx.grid = share.shape[-2:]
        ctx.amplitudes = amplitudes
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return amplitude · sgn(x - μ̂) · the gradient for μ̂, of both axes added."""
        (found,) = ctx.saved_tensors
        (gradient,) = gradients
        rows, columns = ctx.grid
        along_x, along_y = ctx.amplitudes
        x = torch.arange(columns, device=found.device, dtype=found.dtype)
        y = torch.arange(rows, device=found.device, dtype=found.dtype)
        to_x = along_x * (x - found[..., :1]).sign() * gradient[..., :1]
        to_y = along_y * (y - found[..., 1:]).sign() * gradient[..., 1:]
        return to_y[..., :, None] + to_x[..., None, :], None


def _mean_over_joints(
    per_joint: Float[Tensor, 'box joint'], weights: Float[Tensor, 'box joint']
) -> Tensor:
    return (per_joint * weights).sum() / weights.sum().clamp_min(1.0)
