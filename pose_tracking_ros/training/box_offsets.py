"""Boxes as a detector would draw them: offsets measured on its own detections.

AlphaPose's part-guided proposal generator (PGPG, arXiv 2211.03375 §3.3) trains heads on boxes
whose sides lie where the detector puts them relative to the labelled box. The paper fits a
Gaussian mixture to the measured offsets; here the measurements themselves are drawn.
As there, the two sides of an axis belong together and the axes are independent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.ops import box_iou

from pose_tracking_ros.training.datasets import DataError

# A detection is a person's when they overlap at least so much; it bounds every offset.
MIN_IOU = 0.5
# Offsets are kept to a thousandth of the person.
_DIGITS = 3


@dataclass(frozen=True, eq=False)
class BoxOffsets:
    """Measured offsets of detected from labelled boxes.

    Attributes:
        x: of the left and the right side, relative to the labelled width.
        y: of the upper and the lower side, relative to the labelled height.
    """

    x: Float[np.ndarray, 'sample 2']
    y: Float[np.ndarray, 'sample 2']

    def __post_init__(self) -> None:
        """Check the arrays.

        Raises:
            ValueError: there is no sample, one is not finite, or would turn a box inside out.
        """
        for name, offsets in (('x', self.x), ('y', self.y)):
            if offsets.ndim != 2 or offsets.shape[1] != 2 or not len(offsets):
                raise ValueError(f'{name}: expected pairs of offsets, got shape {offsets.shape}')
            if not np.isfinite(offsets).all() or (1 + offsets[:, 1] - offsets[:, 0] <= 0).any():
                raise ValueError(f'{name}: expected finite offsets that leave a box its area')

    @classmethod
    def between(
        cls, found: Float[np.ndarray, 'found 4'], labelled: Float[np.ndarray, 'person 4']
    ) -> BoxOffsets | None:
        """Return the offsets of the best detection of each labelled person; None without any.

        Args:
            found: detected boxes, corners.
            labelled: people's boxes, corners.
        """
        if not len(found) or not len(labelled):
            return None
        iou = box_iou(torch.from_numpy(found), torch.from_numpy(labelled)).numpy()
        best = iou.argmax(axis=0)
        known = np.flatnonzero(iou.max(axis=0) >= MIN_IOU)
        if not len(known):
            return None
        truth = labelled[known]
        sides = truth[:, 2:] - truth[:, :2]
        relative = (found[best[known]] - truth) / np.tile(sides, 2)
        return cls(relative[:, [0, 2]], relative[:, [1, 3]])

    @classmethod
    def load(cls, path: Path) -> BoxOffsets:
        """Read what `save` wrote.

        Raises:
            DataError: the file is missing or holds something else.
        """
        try:
            content = json.loads(path.read_text())
            return cls(*(np.array(content[axis], np.float64) for axis in ('x', 'y')))
        except FileNotFoundError as error:
            raise DataError(
                f'{path}: no such file; make it by '
                '`python -m pose_tracking_ros.training.measure_box_offsets`'
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f'{path}: not a file of box offsets: {error}') from error

    def save(self, path: Path) -> None:
        """Write the samples as JSON."""
        content = {
            axis: np.round(offsets.astype(np.float64), _DIGITS).tolist()
            for axis, offsets in (('x', self.x), ('y', self.y))
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, separators=(',', ':')) + '\n')

    def moved(
        self, boxes: Float[Tensor, 'box 4'], generator: torch.Generator
    ) -> Float[Tensor, 'box 4']:
        """Return labelled boxes with random measured offsets.

        Args:
            boxes: corners.
            generator: of the choice.
        """
        parts = []
        for axis, offsets in enumerate((self.x, self.y)):
            chosen = torch.randint(len(offsets), (len(boxes),), generator=generator)
            sides = boxes[:, axis::2]
            extent = sides[:, 1:] - sides[:, :1]
            share = torch.from_numpy(offsets)[chosen].to(boxes)
            parts.append(sides + share * extent)
        return torch.stack(parts, dim=2).flatten(1)
