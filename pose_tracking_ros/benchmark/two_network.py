"""The usual alternative on a CPU: one network for boxes, another one for each person's pose.

PicoDet-S (pedestrians, 320 px) and PP-TinyPose (256x192) by PaddleDetection, run by OpenVINO as
their makers deploy them, with all that surrounds the networks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torchvision.ops import nms

from pose_tracking_ros.benchmark.contestants import BenchmarkError, Facts, Stopwatch
from pose_tracking_ros.people import People
from pose_tracking_ros.settings.network import Precision

DETECTOR, POSE = 'picodet_320', 'tinypose_256_192'
_DETECTOR_SIDE_PX = 320
_CROP_WIDTH, _CROP_HEIGHT = 192, 256
_MARGIN = 1.25
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)
# One multiplication and one addition from bytes.
_GAIN, _OFFSET = 1 / (255 * _STD), -_MEAN / _STD
# As many boxes as lite's RPN passes to its box head enter NMS.
_BEFORE_NMS = 100


class TwoNetworks:
    """Implements `Contestant`.

    Args:
        folder: holds `picodet_320` and `tinypose_256_192` as OpenVINO IR (.xml and .bin).
        threads: of both networks.
        precision: of their arithmetic.

    Raises:
        BenchmarkError: a file or OpenVINO is missing.
    """

    def __init__(self, folder: Path, threads: int, precision: Precision = 'f32') -> None:
        missing = [
            str(folder / f'{name}.{kind}')
            for name in (DETECTOR, POSE)
            for kind in ('xml', 'bin')
            if not (folder / f'{name}.{kind}').is_file()
        ]
        if missing:
            raise BenchmarkError(
                f'peer two-network: not there: {", ".join(missing)}; name the folder with these '
                'OpenVINO models (--teachers), or leave this peer out (--peers)'
            )
        try:
            import openvino
        except ImportError as error:
            raise BenchmarkError(
                'peer two-network: OpenVINO is not installed; run: '
                'python -m pip install -c requirements/constraints.txt openvino, or leave this '
                'peer out (--peers)'
            ) from error
        core = openvino.Core()
        hints = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_NUM_THREADS': threads,
            # Left to itself, OpenVINO would silently use bfloat16 on some processors.
            'INFERENCE_PRECISION_HINT': precision,
        }
        self._detector = core.compile_model(str(folder / f'{DETECTOR}.xml'), 'CPU', hints)
        pose = core.read_model(str(folder / f'{POSE}.xml'))
        # All people of an image in one call.
        pose.reshape({0: [-1, 3, _CROP_HEIGHT, _CROP_WIDTH]})
        self._pose = core.compile_model(pose, 'CPU', hints)
        self.facts = Facts('two-network', 'openvino', 'cpu', threads, precision)
        self.pixels, self.proposals = _DETECTOR_SIDE_PX**2, _BEFORE_NMS
        self._people = 1

    def prepare(self, people: int, long_side_px: int) -> None:
        """Set how many people to find; the input has a fixed size.

        Raises:
            BenchmarkError: more than the detector passes on.
        """
        del long_side_px
        if people > _BEFORE_NMS:
            raise BenchmarkError(
                f'peer two-network: expected at most {_BEFORE_NMS} people, got {people}'
            )
        self._people = people

    def find(self, image: UInt8[np.ndarray, 'height width 3'], clock: Stopwatch) -> People:
        """Return the people of an RGB image, without appearance: these networks know none."""
        height, width = image.shape[:2]
        small = detector_input(image)
        clock.lap('preprocess')
        boxes, scores = self.detect(small)
        clock.lap('trunk')
        boxes, scores = self._best(boxes, scores)
        boxes = in_image(boxes, (width, height))
        clock.lap('proposals')
        regions = pose_regions(boxes)
        crops = pose_crops(image, regions)
        clock.lap('crops')
        heatmaps = self.heatmaps(crops)
        clock.lap('heads')
        keypoints, keypoint_scores = decode(heatmaps, regions)
        people = People(
            boxes=boxes,
            scores=scores,
            keypoints=keypoints,
            keypoint_scores=keypoint_scores,
            embeddings=np.zeros((len(boxes), 0), np.float32),
            image_size=(width, height),
        )
        clock.lap('decode')
        return people

    def detect(
        self, small: UInt8[np.ndarray, '320 320 3']
    ) -> tuple[Float[np.ndarray, 'box 4'], Float[np.ndarray, 'box']]:
        """Return all boxes in an image of the detector's size, before any NMS, and scores."""
        found = self._detector(_planes(small[None]))
        return found[0][0], found[1][0, 0]

    def heatmaps(
        self, crops: UInt8[np.ndarray, 'person 256 192 3']
    ) -> Float[np.ndarray, 'person joint 64 48']:
        """Return the heatmaps of people, each alone in a crop."""
        maps: Float[np.ndarray, 'person joint 64 48'] = self._pose(_planes(crops))[0]
        return maps

    def _best(
        self, boxes: Float[np.ndarray, 'box 4'], scores: Float[np.ndarray, 'box']
    ) -> tuple[Float[np.ndarray, 'person 4'], Float[np.ndarray, 'person']]:
        """Return the best boxes after an NMS that works but drops nobody (IoU 1)."""
        top = np.argpartition(-scores, _BEFORE_NMS)[:_BEFORE_NMS]
        keep = nms(torch.from_numpy(boxes[top]), torch.from_numpy(scores[top]), 1.0)
        chosen = top[keep[: self._people].numpy()]
        corners = boxes[chosen]
        return np.concatenate(
            [corners[:, :2], np.maximum(corners[:, 2:], corners[:, :2])], axis=1
        ), np.clip(scores[chosen], 0, 1)


def detector_input(
    image: UInt8[np.ndarray, 'height width 3'],
) -> UInt8[np.ndarray, '320 320 3']:
    """Return an image in the detector's size; it does not keep the ratio."""
    side = (_DETECTOR_SIDE_PX, _DETECTOR_SIDE_PX)
    return np.asarray(cv2.resize(image, side, interpolation=cv2.INTER_LINEAR))


def in_image(
    boxes: Float[np.ndarray, 'box 4'], image_size: tuple[int, int]
) -> Float[np.ndarray, 'box 4']:
    """Return boxes of the detector in px of an image of this width and height, inside of it."""
    corner = np.array(image_size * 2, np.float32)
    clipped: Float[np.ndarray, 'box 4'] = np.clip(boxes * (corner / _DETECTOR_SIDE_PX), 0, corner)
    return clipped


def _planes(
    images: UInt8[np.ndarray, 'n height width 3'],
) -> Float[np.ndarray, 'n 3 height width']:
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(np.float32)
    planes *= _GAIN[:, None, None]
    planes += _OFFSET[:, None, None]
    return planes


def pose_regions(boxes: Float[np.ndarray, 'person 4']) -> Float[np.ndarray, 'person 4']:
    """Return centres and sizes of the boxes, grown by a quarter and to the crop's shape."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)
    height = np.maximum(size[:, 1], size[:, 0] * _CROP_HEIGHT / _CROP_WIDTH) * _MARGIN
    width = height * _CROP_WIDTH / _CROP_HEIGHT
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, np.stack([width, height], 1)], 1)


def pose_crops(
    image: UInt8[np.ndarray, 'height width 3'], regions: Float[np.ndarray, 'person 4']
) -> UInt8[np.ndarray, 'person 256 192 3']:
    """Return what the pose network sees: each region in its size."""
    return np.stack([_crop(image, region) for region in regions])


def _crop(
    image: UInt8[np.ndarray, 'height width 3'], region: Float[np.ndarray, '4']
) -> UInt8[np.ndarray, '256 192 3']:
    x, y, width, height = region.tolist()
    scale = width / _CROP_WIDTH
    # From crop to image: OpenCV is told that it is the inverse.
    affine = np.array([[scale, 0, x - width / 2], [0, scale, y - height / 2]])
    crop: Any = cv2.warpAffine(
        image, affine, (_CROP_WIDTH, _CROP_HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return np.asarray(crop)


def decode(
    heatmaps: Float[np.ndarray, 'person joint 64 48'], regions: Float[np.ndarray, 'person 4']
) -> tuple[Float[np.ndarray, 'person joint 2'], Float[np.ndarray, 'person joint']]:
    """Return positions in px and scores: the peak, a quarter cell towards the higher side."""
    people, joints, rows, columns = heatmaps.shape
    flat = heatmaps.reshape(people, joints, -1)
    peak = flat.argmax(axis=2)
    score = np.take_along_axis(flat, peak[..., None], axis=2)[..., 0]
    row, column = np.divmod(peak, columns)
    person, joint = np.ogrid[:people, :joints]

    def at(r: np.ndarray, c: np.ndarray) -> np.ndarray:
        return np.asarray(
            heatmaps[person, joint, np.clip(r, 0, rows - 1), np.clip(c, 0, columns - 1)]
        )

    x = column + 0.25 * np.sign(at(row, column + 1) - at(row, column - 1))
    y = row + 0.25 * np.sign(at(row + 1, column) - at(row - 1, column))
    cells = np.stack([(x + 0.5) / columns, (y + 0.5) / rows], axis=2)
    centre, size = regions[:, None, :2], regions[:, None, 2:]
    return centre + (cells - 0.5) * size, np.clip(score, 0, 1)
