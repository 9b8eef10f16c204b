"""Keypoint scores as probabilities: what a raw score of the pose head is worth.

The raw score is the share of a heatmap's probability that lies about its peak. It ranks joints
well but says little by itself: a network that is unsure by a cell or two everywhere never exceeds
0.8. Two numbers fitted on labelled people (Platt scaling) turn it into the probability that the
joint is where it is said to be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

# Scores of exactly 0 or 1 would have no finite logit.
_MARGIN = 1e-4


@dataclass(frozen=True)
class ScoreCalibration:
    """A line through the logits: `p = sigmoid(slope * logit(score) + offset)`.

    Attributes:
        slope: above 0, so that the order of scores stays.
        offset: of the logit.
    """

    slope: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: one is not finite, or the slope is not above 0.
        """
        if not (math.isfinite(self.slope) and math.isfinite(self.offset) and self.slope > 0):
            raise ValueError(
                'calibration: expected a finite slope above 0 and a finite offset, '
                f'got {self.slope} and {self.offset}'
            )

    def apply(self, scores: Float[np.ndarray, '*shape']) -> Float[np.ndarray, '*shape']:
        """Return the probabilities of raw scores, both in [0, 1]."""
        if self == ScoreCalibration():
            return scores
        z = self.slope * logits(scores) + self.offset
        probabilities: Float[np.ndarray, '*shape'] = (1.0 / (1.0 + np.exp(-z))).astype(np.float32)
        return probabilities


def logits(scores: Float[np.ndarray, '*shape']) -> Float[np.ndarray, '*shape']:
    """Return log-odds of scores; those of 0 and 1 are kept finite."""
    clipped = np.clip(scores, _MARGIN, 1.0 - _MARGIN).astype(np.float64)
    odds: Float[np.ndarray, '*shape'] = np.log(clipped / (1.0 - clipped))
    return odds
