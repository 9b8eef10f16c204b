"""Labelled pictures of a dataset as training sees them: pixels, corners, weights, classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.training.datasets import DataError, Dataset

__all__ = ['DataError', 'Labels', 'PictureSet']


@dataclass(frozen=True, eq=False)
class Labels:
    """The people of one picture.

    Attributes:
        boxes: corners x1, y1, x2, y2 in px.
        keypoints: x, y in px and a weight in [0, 1]: 0 where the joint is not labelled.
        ignored: regions that are neither person nor background, corners in px.
        identities: class of each person for the Re-ID loss, -1 for unlabelled.
    """

    boxes: Float[np.ndarray, 'person 4']
    keypoints: Float[np.ndarray, 'person joint 3']
    ignored: Float[np.ndarray, 'region 4']
    identities: np.ndarray


class PictureSet:
    """Pictures with labels, decoded on demand.

    Args:
        dataset: as read. Labels that its kinds exclude are left out: joints get weight 0,
            identities -1.
        unsure_weight: weight of joints that are hidden, or of which the labeller was unsure.
        first_identity: class of the dataset's identity 0; classes of several datasets must not
            meet.
    """

    def __init__(
        self, dataset: Dataset, unsure_weight: float = 0.5, first_identity: int = 0
    ) -> None:
        self.name = dataset.name
        self.kinds = dataset.kinds
        self.sources = [record.source for record in dataset.records]
        self._records = dataset.records
        self._first_identity = first_identity
        seen = 1.0 if dataset.kinds.joints else 0.0
        # By visibility: unlabelled, hidden or unsure, seen.
        self._weights = np.array([0.0, unsure_weight * seen, seen], np.float32)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._records)

    def labels(self, index: int) -> Labels:
        """Return the labels of a picture, in its own pixels."""
        record = self._records[index]
        keypoints = np.concatenate(
            [record.joints, self._weights[record.visibility][..., None]], axis=-1
        )
        is_known = (record.identities >= 0) & self.kinds.identities
        return Labels(
            boxes=_corners(record.boxes),
            keypoints=keypoints,
            ignored=_corners(record.ignored),
            identities=np.where(is_known, record.identities + self._first_identity, -1),
        )

    def image(self, index: int) -> UInt8[np.ndarray, 'height width 3']:
        """Return a picture, RGB.

        Raises:
            DataError: the file cannot be decoded, or has another size than its record says.
        """
        record = self._records[index]
        image = record.picture.pixels()
        if record.size is not None and image.shape[1::-1] != record.size:
            raise DataError(
                f'{record.where}: expected a picture of {record.size[0]}x{record.size[1]}, '
                f'{record.picture} has {image.shape[1]}x{image.shape[0]}'
            )
        return image


def _corners(boxes: Float[np.ndarray, 'box 4']) -> Float[np.ndarray, 'box 4']:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1).astype(np.float32)
