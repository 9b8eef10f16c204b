"""Losses of the three tasks, each normalised by the count of what is labelled."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


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
    return (per_joint * weights).sum() / weights.sum().clamp_min(1.0)


def box_loss(
    deltas: Float[Tensor, 'box 4'], targets: Float[Tensor, 'box 4'], count: int
) -> Tensor:
    """Smooth L1 over the positive boxes, divided by all sampled ones (Fast R-CNN)."""
    return F.smooth_l1_loss(deltas, targets, beta=1 / 9, reduction='sum') / max(count, 1)


class IdentityLoss(nn.Module):
    """N-way softmax over identities (FastPose §3.1), on unit vectors with a learnt scale.

    Args:
        dim: length of the embedding.
        identities: number of classes.
        scale: initial inverse temperature.
        margin: subtracted from the right class's cosine, so that classes keep a distance.
    """

    def __init__(
        self, dim: int, identities: int, scale: float = 16.0, margin: float = 0.1
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(identities, dim) * 0.05)
        self.scale = nn.Parameter(torch.tensor(scale))
        self.margin = margin

    def forward(
        self, embeddings: Float[Tensor, 'person dim'], identities: Int[Tensor, 'person']
    ) -> Tensor:
        """Return the mean cross-entropy over people with an identity; the rest (-1) is ignored."""
        known = identities >= 0
        if not bool(known.any()):
            return embeddings.sum() * 0
        cosine = embeddings[known] @ F.normalize(self.weight, dim=1).T
        cosine = cosine - self.margin * F.one_hot(identities[known], len(self.weight))
        return F.cross_entropy(cosine * self.scale, identities[known])
