"""How much each task counts: learnt from its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Their loss stands for a squared or absolute error; the others are cross-entropies.
_REGRESSIONS = frozenset({'rpn_box', 'person_box'})


class UncertaintyWeights(nn.Module):
    """Weights tasks by their homoscedastic uncertainty (Kendall et al., arXiv 1705.07115).

    With s = log σ², a task's loss L becomes c·exp(-s)·L + s/2, where c is 1/2 for a regression and
    1 for a cross-entropy (Eqs. 7 and 10). The gradient for s is 0 where the weight c·exp(-s) is
    1/(2·L): a task with twice the loss ends with half the weight.

    Args:
        weights: of each task to start with, above 0.

    Raises:
        ValueError: a weight is not above 0.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        if not all(weight > 0 for weight in weights.values()):
            raise ValueError(f'weights: expected numbers above 0 to learn from, got {weights}')
        self.log_variance = nn.ParameterDict(
            {
                name: nn.Parameter(torch.tensor(math.log(_factor(name) / weight)))
                for name, weight in weights.items()
            }
        )

    def forward(self, name: str, loss: Float[Tensor, '']) -> Float[Tensor, '']:
        """Return the weighted loss of a task that has labels in the batch.

        A task without labels must not come here: its s would sink without end.
        """
        s = self.log_variance[name]
        weighted: Tensor = _factor(name) * torch.exp(-s) * loss + s / 2
        return weighted


def _factor(name: str) -> float:
    return 0.5 if name in _REGRESSIONS else 1.0
