"""The growth law: what pixels, proposals and people cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class GrowthLaw:
    """T = a · pixels + b · proposals + c · people, fitted by least squares.

    Attributes:
        us_per_pixel: a, µs.
        ms_per_proposal: b, ms.
        ms_per_person: c, ms.
        r2: share of the variance of T that the law explains; 1 is all of it.
        points: measured combinations.
        constant_ms: what every image costs besides, if the law is given a constant; it then has
            other coefficients.
        r2_with_constant: of that law.
    """

    us_per_pixel: float
    ms_per_proposal: float
    ms_per_person: float
    r2: float
    points: int
    constant_ms: float
    r2_with_constant: float

    def predict_s(
        self,
        pixels: Float[np.ndarray, 'point'],
        proposals: Float[np.ndarray, 'point'],
        people: Float[np.ndarray, 'point'],
    ) -> Float[np.ndarray, 'point']:
        """Return the time by the law, s."""
        return np.asarray(
            1e-6 * self.us_per_pixel * pixels
            + 1e-3 * (self.ms_per_proposal * proposals + self.ms_per_person * people)
        )


def fit_growth(
    pixels: Float[np.ndarray, 'point'],
    proposals: Float[np.ndarray, 'point'],
    people: Float[np.ndarray, 'point'],
    times_s: Float[np.ndarray, 'point'],
) -> GrowthLaw:
    """Fit the law to measured times.

    Args:
        pixels: of the network's input.
        proposals: that reached the box head.
        people: that reached the pose head.
        times_s: from image to message, s; the fastest run of each point.

    Raises:
        ValueError: the points do not vary enough to tell the three apart.
    """
    terms = np.stack([pixels, proposals, people], axis=1).astype(np.float64)
    # Of one magnitude, so that the rank is told by what varies and not by the units.
    scale = np.abs(terms).max(axis=0, initial=1e-12)
    if len(terms) < 4 or np.linalg.matrix_rank(terms / scale, tol=1e-6) < 3:
        raise ValueError(
            'growth law: expected at least 4 points that differ in pixels, proposals and people '
            f'independently, got {len(terms)}'
        )
    found, r2 = _least_squares(terms, scale, times_s)
    ones = np.ones((len(terms), 1))
    with_constant, r2_with_constant = _least_squares(
        np.hstack([terms, ones]), np.append(scale, 1.0), times_s
    )
    return GrowthLaw(
        us_per_pixel=float(1e6 * found[0]),
        ms_per_proposal=float(1e3 * found[1]),
        ms_per_person=float(1e3 * found[2]),
        r2=r2,
        points=len(terms),
        constant_ms=float(1e3 * with_constant[3]),
        r2_with_constant=r2_with_constant,
    )


def _least_squares(
    terms: Float[np.ndarray, 'point term'],
    scale: Float[np.ndarray, 'term'],
    times_s: Float[np.ndarray, 'point'],
) -> tuple[Float[np.ndarray, 'term'], float]:
    """Return the coefficients, and the share of the variance that they explain."""
    found = np.linalg.lstsq(terms / scale, times_s, rcond=None)[0] / scale
    spread = np.square(times_s - times_s.mean()).sum()
    rest = np.square(times_s - terms @ found).sum()
    return found, float(1 - rest / spread) if spread > 0 else float(rest < 1e-18)
