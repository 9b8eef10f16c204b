"""Loss of box refinement, for the RPN and the box head alike."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def box_loss(
    deltas: Float[Tensor, 'box 4'], targets: Float[Tensor, 'box 4'], count: int
) -> Tensor:
    """Smooth L1 over the positive boxes, divided by all sampled ones (Fast R-CNN)."""
    return F.smooth_l1_loss(deltas, targets, beta=1 / 9, reduction='sum') / max(count, 1)
