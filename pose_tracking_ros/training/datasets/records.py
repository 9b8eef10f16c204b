"""What every reader of a dataset returns, whatever the dataset's files look like."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.datasets.picture_files import PictureFile
from pose_tracking_ros.training.datasets.problems import DataError

LabelKind = Literal['boxes', 'joints', 'identities']

# Labels are rounded to a tenth of a pixel; COCO's own reach a little over the border.
_SLACK_PX = 2.0
# A person whose joints are labelled but whose box is not: the joints' extent, and so much of its
# longer side around it for hands, feet and hair.
_FLESH_SHARE = 0.1


@dataclass(frozen=True)
class LabelKinds:
    """Which labels a dataset has at all: a loss counts only where its label exists.

    Attributes:
        boxes: every person in a picture has a box or lies in an ignored region. Without, boxes
            say where a pose is, but what has no box is not background.
        joints: joints are labelled.
        identities: people are told apart, in the whole dataset.
    """

    boxes: bool
    joints: bool
    identities: bool

    def without(self, lacks: tuple[LabelKind, ...]) -> LabelKinds:
        """Return these less some."""
        return dataclasses.replace(self, **dict.fromkeys(lacks, False))


@dataclass(frozen=True, eq=False)
class Record:
    """One picture and its people.

    Attributes:
        where: file and record, for messages.
        picture: its file.
        size: width and height, px; None where only the picture knows.
        boxes: x, y, width, height of each person, px.
        joints: joints of `COCO_17`, px; of those that the dataset does not label any number.
        visibility: 2 seen, 1 hidden or unsure, 0 unlabelled, which never means absent.
        identities: numbers from 0 within the dataset, -1 unknown.
        ignored: x, y, width, height of regions that are neither person nor background, px.
        people: where each person is labelled, for messages.
        source: subset within the dataset, for weights.
    """

    where: str
    picture: PictureFile
    size: tuple[int, int] | None
    boxes: Float[np.ndarray, 'person 4']
    joints: Float[np.ndarray, 'person joint 2']
    visibility: UInt8[np.ndarray, 'person joint']
    identities: Int[np.ndarray, 'person']
    ignored: Float[np.ndarray, 'region 4']
    people: tuple[str, ...]
    source: str

    def sized(self, size: tuple[int, int], clips: bool) -> Record:
        """Return the record of a picture whose size was unknown, its boxes checked.

        Args:
            size: width and height, px.
            clips: see `placed_box`.

        Raises:
            DataError: a box lies outside.
        """
        boxes = [
            placed_box(box, size, clips, f'{where}: box')
            for box, where in zip(self.boxes, self.people, strict=True)
        ]
        ignored = [placed_region(box, size, clips, self.where) for box in self.ignored]
        return dataclasses.replace(
            self,
            size=size,
            boxes=_rows(boxes, 4),
            ignored=_rows([box for box in ignored if box is not None], 4),
        )


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset as read.

    Attributes:
        name: from the configuration.
        format: its reader's name.
        kinds: labels it has.
        records: its pictures.
        identity_count: identities are below.
        clips: boxes may reach over the border, and end there.
        has_crops: whether a picture is one person, cut out.
    """

    name: str
    format: str
    kinds: LabelKinds
    records: list[Record]
    identity_count: int = 0
    clips: bool = False
    has_crops: bool = False


class RecordBuilder:
    """Collects what is labelled in one picture.

    Args:
        where: file and record, for messages.
        picture: its file.
        size: width and height, px; None if only the picture knows.
        source: subset within the dataset.
        clips: see `placed_box`.
    """

    def __init__(
        self,
        where: str,
        picture: PictureFile,
        size: tuple[int, int] | None,
        source: str,
        clips: bool,
    ) -> None:
        self.where = where
        self.picture = picture
        self.size = size
        self.source = source
        self._clips = clips
        self._boxes: list[np.ndarray] = []
        self._joints: list[np.ndarray] = []
        self._visibility: list[np.ndarray] = []
        self._identities: list[int] = []
        self._ignored: list[np.ndarray] = []
        self._people: list[str] = []

    def add_person(
        self,
        where: str,
        field: str,
        box: Float[np.ndarray, '4'],
        pose: tuple[Float[np.ndarray, 'joint 2'], Int[np.ndarray, 'joint']] | None = None,
        identity: int = -1,
    ) -> None:
        """Add somebody.

        Args:
            where: file and record of the label.
            field: of the box within it.
            box: x, y, width, height, px.
            pose: joints of `COCO_17` and their visibility; None where no joint is labelled.
            identity: number within the dataset, -1 unknown.

        Raises:
            DataError: the box has no area, or lies outside of the picture.
        """
        self._boxes.append(placed_box(box, self.size, self._clips, f'{where}.{field}'))
        joints, visibility = pose or (np.zeros((len(COCO_17), 2)), np.zeros(len(COCO_17), int))
        self._joints.append(joints)
        self._visibility.append(visibility)
        self._identities.append(identity)
        self._people.append(where)

    def ignore(self, where: str, box: Float[np.ndarray, '4']) -> None:
        """Add a region that is neither person nor background.

        Raises:
            DataError: as for people; what clips to nothing is left out.
        """
        region = placed_region(box, self.size, self._clips, where)
        if region is not None:
            self._ignored.append(region)

    def build(self) -> Record:
        """Return the record."""
        joints = np.array(self._joints, np.float32).reshape(-1, len(COCO_17), 2)
        return Record(
            where=self.where,
            picture=self.picture,
            size=self.size,
            boxes=_rows(self._boxes, 4),
            joints=joints,
            visibility=np.array(self._visibility, np.uint8).reshape(-1, len(COCO_17)),
            identities=np.array(self._identities, np.int64),
            ignored=_rows(self._ignored, 4),
            people=tuple(self._people),
            source=self.source,
        )


class IdentityNumbers:
    """Numbers people from 0 in the order in which they appear."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}

    def __len__(self) -> int:
        """Return how many people have appeared."""
        return len(self._numbers)

    def of(self, key: object) -> int:
        """Return the number of whoever the dataset calls so."""
        return self._numbers.setdefault(key, len(self._numbers))


def placed_box(
    box: Float[np.ndarray, '4'], size: tuple[int, int] | None, clips: bool, where: str
) -> Float[np.ndarray, '4']:
    """Return a box that lies in its picture.

    Args:
        box: x, y, width, height, px.
        size: of the picture, px; None leaves the border unchecked.
        clips: boxes of this dataset describe whole bodies and go over the border on purpose: they
            end there. Otherwise that is an error, but for two pixels of rounding.
        where: file, record and field.

    Raises:
        DataError: no area, or not inside.
    """
    # Plain numbers: for four of them NumPy takes several times as long.
    x, y, width, height = box.tolist()
    expected = 'a box (x, y, width, height) with an area'
    if not (math.isfinite(x + y + width + height) and width > 0 and height > 0):
        raise DataError(f'{where}: expected {expected}, got {_shown(box)}')
    if size is None:
        return box
    if clips:
        left, top = max(x, 0.0), max(y, 0.0)
        right, bottom = min(x + width, size[0]), min(y + height, size[1])
        is_inside = right > left and bottom > top
        box = np.array([left, top, right - left, bottom - top]) if is_inside else box
    else:
        is_inside = (
            min(x, y) >= -_SLACK_PX
            and x + width <= size[0] + _SLACK_PX
            and y + height <= size[1] + _SLACK_PX
        )
    if not is_inside:
        raise DataError(
            f'{where}: expected {expected} inside the {size[0]}x{size[1]} picture, '
            f'got {_shown(box)}'
        )
    return box


def placed_region(
    box: Float[np.ndarray, '4'], size: tuple[int, int] | None, clips: bool, where: str
) -> Float[np.ndarray, '4'] | None:
    """Return an ignored region as `placed_box` does; None where clipping leaves nothing."""
    if clips and size is not None and np.isfinite(box).all():
        low, high = np.maximum(box[:2], 0), np.minimum(box[:2] + box[2:], size)
        return np.concatenate([low, high - low]) if (high > low).all() else None
    return placed_box(box, size, clips, where)


def box_about(points: Float[np.ndarray, 'point 2']) -> Float[np.ndarray, '4']:
    """Return x, y, width, height about labelled points (one or more) and the flesh around them."""
    low, high = points.min(0), points.max(0)
    margin = max(_FLESH_SHARE * float((high - low).max()), 1.0)
    return np.concatenate([low - margin, high - low + 2 * margin])


def _rows(rows: list[np.ndarray], width: int) -> Float[np.ndarray, 'row column']:
    return np.array(rows, np.float64).reshape(-1, width)


def _shown(box: Float[np.ndarray, '4']) -> str:
    return f'[{", ".join(f"{value:g}" for value in box)}]'
