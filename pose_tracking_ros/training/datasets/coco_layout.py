"""The layout of COCO's files, which several datasets share.

`images` (id, file_name, width, height), `annotations` (id, image_id, category_id, bbox, keypoints
as x, y, v per joint, iscrowd) and `categories` (id, name, keypoints: the joints' names). v is 0
for a joint that is not labelled, 1 for a hidden one, 2 for one that is seen. Source:
https://cocodataset.org/#format-data.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.datasets.json_fields import Fields, load_json
from pose_tracking_ros.training.datasets.picture_files import PictureFile, TarShards
from pose_tracking_ros.training.datasets.problems import Problems
from pose_tracking_ros.training.datasets.records import IdentityNumbers, RecordBuilder

Pose = tuple[Float[np.ndarray, 'joint 2'], Int[np.ndarray, 'joint']]

# Names as files spell them (Halpe: `LEye`, `Rknee`) stand for ours.
_SIDES = (('left_', 'l'), ('right_', 'r'))


@cache
def _order_of(joints: tuple[str, ...]) -> Int[np.ndarray, 'joint']:
    return COCO_17.order_from(joints)


def spelled_name(name: str, known: tuple[str, ...]) -> str:
    """Return our name of a joint, whichever way the file spells it; as it is if unknown."""
    for joint in known:
        short = joint
        for side, letter in _SIDES:
            short = short.replace(side, letter)
        if name.lower() in (joint, short.replace('_', '')):
            return joint
    return name


class CocoFile:
    """Reads one file in the layout of COCO; other datasets override what they do otherwise.

    Args:
        path: the file.
        pictures: folder that `file_name` starts from, or of the numbered tar shards that
            `images[].shard` speaks of.
        name: of the dataset, the source of pictures that name none.
        layout: joints in the order of the file, if it does not name them; known names.
        problems: what errors in single records mean.
        identities: shared by the files of one dataset.
    """

    # Whether boxes may go over the border.
    clips = False
    # Whether joints beyond the layout's (face, hands) may follow and are left out.
    has_further_joints = False

    def __init__(
        self,
        path: Path,
        pictures: Path,
        name: str,
        layout: tuple[str, ...],
        problems: Problems,
        identities: IdentityNumbers | None = None,
    ) -> None:
        self.path = path
        self._pictures = pictures
        self._name = name
        self._layout = layout
        self._problems = problems
        self._shards = TarShards(pictures)
        self.identities = identities if identities is not None else IdentityNumbers()
        self.has_joints = False

    def read(self) -> list[RecordBuilder]:
        """Return the pictures with their people, in the order of the file.

        Raises:
            DataError: the file cannot be used at all; or a record, if errors are not collected.
        """
        file = Fields(load_json(self.path), self.path)
        joints = self._joints_of_categories(file)
        builders: dict[int, RecordBuilder | None] = {}
        for number, content in enumerate(file.objects('images')):
            with self._problems.guard():
                self._add_image(file.item('images', number, content), builders)
        seen: set[object] = set()
        for number, content in enumerate(file.objects('annotations')):
            with self._problems.guard():
                person = file.item('annotations', number, content)
                if person.has('id'):
                    key = person.value('id', 'an id')
                    if not isinstance(key, int | str):
                        raise person.error('id', f'expected a number or a text, got {key}')
                    if key in seen:
                        raise person.error('id', f'expected a new id, {key} was used before')
                    seen.add(key)
                self._add_person(person, joints, builders)
        return [builder for builder in builders.values() if builder is not None]

    def _add_image(self, image: Fields, builders: dict[int, RecordBuilder | None]) -> None:
        key = image.whole('id')
        if key in builders:
            raise image.error('id', f'expected a new id, {key} was used before')
        # People of a picture that cannot be used are no errors of their own.
        builders[key] = None
        if not self._is_used(image):
            return
        builder = RecordBuilder(
            image.where,
            self._find_picture(image),
            self._size_of(image),
            image.text('source') if image.has('source') else self._name,
            self.clips,
        )
        self._ignore_regions(image, builder)
        builders[key] = builder

    def _is_used(self, image: Fields) -> bool:
        """Return whether a picture is labelled and wanted."""
        return True

    def _ignore_regions(self, image: Fields, builder: RecordBuilder) -> None:
        """Add what an image's record says is to be ignored."""

    def _size_of(self, image: Fields) -> tuple[int, int] | None:
        size = image.whole('width'), image.whole('height')
        if min(size) <= 0:
            raise image.error('width', f'expected a size above 0, got {size[0]}x{size[1]}')
        return size

    def _find_picture(self, image: Fields) -> PictureFile:
        name = image.text('file_name')
        if image.has('shard'):
            return self._shards.find(image.whole('shard'), name)
        path = self._pictures / name
        if not path.is_file():
            raise image.error('file_name', f'expected a picture, there is no file {path}')
        return PictureFile(path)

    def _joints_of_categories(self, file: Fields) -> dict[int, tuple[str, ...] | None]:
        """Return the joints of each category of people, None for other things."""
        if not file.has('categories'):
            return {}
        found: dict[int, tuple[str, ...] | None] = {}
        contents = file.objects('categories')
        for number, content in enumerate(contents):
            category = file.item('categories', number, content)
            key = category.whole('id')
            is_person = len(contents) == 1 or category.text('name') == 'person'
            found[key] = self._checked_joints(category) if is_person else None
        return found

    def _checked_joints(self, category: Fields) -> tuple[str, ...]:
        if not category.has('keypoints'):
            return self._layout
        names = [spelled_name(name, self._known) for name in category.texts('keypoints')]
        checked = names[: len(self._layout)] if self.has_further_joints else names
        for number, name in enumerate(checked):
            if name not in self._known:
                raise category.error(
                    f'keypoints[{number}]',
                    f'unknown joint {name!r}; expected some of {", ".join(self._known)}',
                )
            if name in names[:number]:
                raise category.error(f'keypoints[{number}]', f'joint {name!r} a second time')
        return tuple(names)

    @property
    def _known(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._layout, *COCO_17.joints)))

    def _add_person(
        self,
        person: Fields,
        categories: dict[int, tuple[str, ...] | None],
        builders: dict[int, RecordBuilder | None],
    ) -> None:
        key = person.whole('image_id')
        if key not in builders:
            raise person.error('image_id', f'expected one of the images, got {key}')
        builder = builders[key]
        if builder is None:
            return
        joints: tuple[str, ...] | None = self._layout
        if categories and person.has('category_id'):
            category = person.whole('category_id')
            if category not in categories:
                raise person.error(
                    'category_id', f'expected one of the categories, got {category}'
                )
            joints = categories[category]
        if joints is None:
            return
        if person.flag('iscrowd', default=False):
            builder.ignore(f'{person.where}.bbox', person.numbers('bbox', 4))
            return
        pose = self._pose_of(person, joints)
        box = self._box_of(person, pose)
        # COCO's own files have a few boxes that are a line or a point, of nobody in particular.
        if (box[2:] == 0).any() and (pose is None or not pose[1].any()):
            return
        builder.add_person(person.where, 'bbox', box, pose, self._identity_of(person))

    def _pose_of(self, person: Fields, joints: tuple[str, ...]) -> Pose | None:
        if not person.has('keypoints'):
            return None
        self.has_joints = True
        values = self._values_of(person, joints).reshape(-1, 3)
        levels = values[:, 2]
        is_level = (levels == 0) | (levels == 1) | (levels == 2)
        if not is_level.all():
            wrong = int(np.flatnonzero(~is_level)[0])
            raise person.error(
                f'keypoints[{3 * wrong + 2}]', f'expected 0, 1 or 2, got {levels[wrong]:g}'
            )
        order = _order_of(joints)
        points = np.where(order[:, None] >= 0, values[order, :2], 0.0)
        visibility = np.where(order >= 0, self._unified(values)[order], 0)
        return points, visibility.astype(np.int64)

    def _values_of(self, person: Fields, joints: tuple[str, ...]) -> Float[np.ndarray, 'number']:
        return person.numbers('keypoints', 3 * len(joints))

    def _unified(self, values: Float[np.ndarray, 'joint 3']) -> Float[np.ndarray, 'joint']:
        """Return visibility as COCO counts it."""
        return values[:, 2]

    def _box_of(self, person: Fields, pose: Pose | None) -> Float[np.ndarray, '4']:
        return person.numbers('bbox', 4)

    def _identity_of(self, person: Fields) -> int:
        """Return the number of a person within the dataset, -1 unknown."""
        return -1
