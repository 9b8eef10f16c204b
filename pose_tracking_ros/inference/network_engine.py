"""One image in, people out: letterbox, network, and what lies between its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pose_tracking_ros.inference.letterbox import PADDING_RGB, Letterbox
from pose_tracking_ros.network.detection import (
    Detections,
    Selection,
    find_people,
    pool_for_heads,
)
from pose_tracking_ros.network.model import SIZE_STEP_PX, MultiTaskNetwork
from pose_tracking_ros.network.parts import Parts
from pose_tracking_ros.network.pooling import FeatureTable
from pose_tracking_ros.network.presets import EMBEDDING_DIM, before_nms_of, proposals_of
from pose_tracking_ros.network.rpn import RPNOutput
from pose_tracking_ros.network.weights import Provenance
from pose_tracking_ros.people import People
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.skeleton import SKELETONS

# Where a lone crop is laid: rows and columns, multiples of 32 px, with room around the person.
_CROP_CANVAS = (192, 128)
_CROP_HEIGHT_PX = 128


@dataclass(frozen=True)
class Runtime:
    """The network's parts, and what runs them.

    Attributes:
        parts: dense parts, on the device.
        device: where the parts and everything between them runs.
        name: of what runs the parts, for people.
        half: compute in half precision where torch finds it safe.
        trunk_of_many: the trunk for several images of one size at once, each with its outputs;
            None where it takes one image only, as exported ones do.
    """

    parts: Parts
    device: torch.device
    name: str
    half: bool = False
    trunk_of_many: Callable[[Tensor], list[tuple[Tensor, Tensor, Tensor]]] | None = None


class NetworkEngine:
    """Implements `Engine`, whatever runs the dense parts of the network.

    Args:
        network: tells grids and anchors.
        runtime: runs its parts.
        provenance: of the weights.
        settings: live ones may change later by `apply_settings`.
        fallback_reason: why it is the CPU although a GPU was preferred; empty when it is not.
    """

    def __init__(
        self,
        network: MultiTaskNetwork,
        runtime: Runtime,
        provenance: Provenance,
        settings: NetworkSettings,
        fallback_reason: str = '',
    ) -> None:
        self.fallback_reason = fallback_reason
        self._runtime = runtime
        self._rpn, self._layout = network.rpn, network.layout
        self._provenance = provenance
        self.apply_settings(settings)

    @property
    def model_id(self) -> str:
        """Preset and the first 12 digits of the checkpoint's SHA-256."""
        return f'{self._provenance.preset}@{self._provenance.sha256[:12]}'

    @property
    def embedding_dim(self) -> int:
        """Length of the embeddings."""
        return EMBEDDING_DIM

    @property
    def device_name(self) -> str:
        """Where it runs, in words."""
        device = self._runtime.device
        if device.type == 'cuda':
            where = f'{device} ({torch.cuda.get_device_name(device)})'
        else:
            where = f'cpu ({self._settings.threads or torch.get_num_threads()} threads)'
        return f'{where}, {self._runtime.name}'

    def apply_settings(self, settings: NetworkSettings) -> None:
        """Take over changed live settings from the next image on."""
        self._settings = settings
        self._selection = Selection(
            before_nms=before_nms_of(settings.preset),
            proposals=proposals_of(settings.preset),
            max_people=settings.max_people,
            min_score=settings.min_person_score,
            nms_iou=settings.nms_iou,
            static=self._runtime.device.type == 'cuda',
        )

    def warm_up(self) -> None:
        """Run once on an empty image, so that the first real one is not slow."""
        self.infer(np.zeros((480, 640, 3), np.uint8))

    def infer(self, image: UInt8[np.ndarray, 'height width 3']) -> People:
        """Return the people in an RGB image, in its own pixel coordinates, best score first.

        Raises:
            ValueError: the image is not uint8 with three channels, or has no pixels.
        """
        letterbox = self._letterbox_of(image)
        with torch.inference_mode(), self._precision():
            table, output = self._features(letterbox.apply(image))
            found = self._find(table, output)
        return self._people(found, letterbox, image)

    @property
    def gains_from_batches(self) -> bool:
        """Whether a batch takes less time than its images one after another.

        On a GPU, which one small image does not fill. On a CPU an image in a batch of four took as
        long as alone on two threads, and a third longer on one (docs/performance.md).
        """
        return self._runtime.trunk_of_many is not None and self._runtime.device.type == 'cuda'

    def infer_batch(self, images: list[UInt8[np.ndarray, 'height width 3']]) -> list[People]:
        """Return the people in each image, as `infer` would.

        Images that have one size inside the network go through its trunk together. What depends on
        the people in an image is done for each by itself.

        Args:
            images: RGB; sizes may differ.

        Raises:
            ValueError: an image is not uint8 with three channels, or has no pixels.
        """
        letterboxes = [self._letterbox_of(image) for image in images]
        members: dict[tuple[int, int], list[int]] = {}
        for index, letterbox in enumerate(letterboxes):
            members.setdefault(letterbox.padded_size, []).append(index)
        people: dict[int, People] = {}
        with torch.inference_mode(), self._precision():
            for indices in members.values():
                padded = [letterboxes[index].apply(images[index]) for index in indices]
                for index, (table, output) in zip(indices, self._each(padded), strict=True):
                    found = self._find(table, output)
                    people[index] = self._people(found, letterboxes[index], images[index])
        return [people[index] for index in range(len(images))]

    def embed_crops(
        self, crops: list[UInt8[np.ndarray, 'height width 3']]
    ) -> Float[np.ndarray, 'crop dim']:
        """Return unit embeddings of pictures that one person fills each.

        Each crop is scaled to 128 px in height and laid on a neutral ground, as a person in a
        scene would lie on whatever is behind.

        Raises:
            ValueError: no crop, or one without pixels.
        """
        if not crops or any(crop.size == 0 for crop in crops):
            raise ValueError(f'crops: expected pictures with pixels, got {len(crops)} crops')
        rows, columns = _CROP_CANVAS
        height = _CROP_HEIGHT_PX
        embeddings = []
        for crop in crops:
            canvas = np.empty((*_CROP_CANVAS, 3), np.uint8)
            canvas[:] = PADDING_RGB
            width = min(max(1, round(crop.shape[1] * height / crop.shape[0])), columns)
            x, y = (columns - width) // 2, (rows - height) // 2
            canvas[y : y + height, x : x + width] = cv2.resize(
                crop, (width, height), interpolation=cv2.INTER_LINEAR
            )
            corners = torch.tensor([[x, y, x + width, y + height]], dtype=torch.float32)
            with torch.inference_mode(), self._precision():
                table, _ = self._features(canvas)
                pooled = pool_for_heads(table, corners.to(self._runtime.device), self._layout)
                _, found = self._runtime.parts.person(*pooled)
            embeddings.append(found.float().cpu().numpy().copy())
        return np.concatenate(embeddings)

    def _letterbox_of(self, image: UInt8[np.ndarray, 'height width 3']) -> Letterbox:
        """Return where in the network's input an image lies.

        Raises:
            ValueError: the image is not uint8 with three channels, or has no pixels.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(
                'image: expected uint8 RGB of shape height x width x 3 with pixels, got '
                f'{image.dtype} of shape {" x ".join(map(str, image.shape))}'
            )
        size = (image.shape[1], image.shape[0])
        return Letterbox.fit(size, self._settings.image_long_side_px, SIZE_STEP_PX)

    def _find(self, table: FeatureTable, output: RPNOutput) -> Detections:
        parts = self._runtime.parts
        return find_people(parts, self._layout, self._rpn, table, output, self._selection)

    def _people(
        self,
        found: Detections,
        letterbox: Letterbox,
        image: UInt8[np.ndarray, 'height width 3'],
    ) -> People:
        return _people(found, letterbox, (image.shape[1], image.shape[0]), self._provenance)

    def _each(
        self, padded: list[UInt8[np.ndarray, 'padded_height padded_width 3']]
    ) -> list[tuple[FeatureTable, RPNOutput]]:
        """Return features and raw proposals of several images of one size."""
        trunk = self._runtime.trunk_of_many
        if trunk is None or len(padded) == 1:
            return [self._features(one) for one in padded]
        pixels = torch.from_numpy(np.stack(padded)).to(self._runtime.device, non_blocking=True)
        size = (padded[0].shape[0], padded[0].shape[1])
        return [
            (FeatureTable(rows, size), self._rpn.output(logits, deltas, size))
            for rows, logits, deltas in trunk(pixels)
        ]

    def _features(
        self, padded: UInt8[np.ndarray, 'padded_height padded_width 3']
    ) -> tuple[FeatureTable, RPNOutput]:
        pixels = torch.from_numpy(padded)[None].to(self._runtime.device, non_blocking=True)
        size = (padded.shape[0], padded.shape[1])
        rows, logits, deltas = self._runtime.parts.trunk(pixels)
        return FeatureTable(rows, size), self._rpn.output(logits, deltas, size)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._runtime.device.type, torch.float16, enabled=self._runtime.half)


def _people(
    found: Detections, letterbox: Letterbox, size: tuple[int, int], provenance: Provenance
) -> People:
    arrays = Detections(*(part.cpu().float().numpy() for part in found))  # type: ignore[arg-type]
    valid = np.asarray(arrays.valid) > 0.5
    if not valid.any():
        return People.none(size, len(SKELETONS[provenance.skeleton]), EMBEDDING_DIM)
    limits = np.array([*size, *size], np.float32)
    boxes = letterbox.to_image(np.asarray(arrays.boxes)[valid].reshape(-1, 2, 2)).reshape(-1, 4)
    return People(
        boxes=np.clip(boxes, 0, limits),
        scores=np.asarray(arrays.scores)[valid],
        keypoints=letterbox.to_image(np.asarray(arrays.keypoints)[valid]),
        keypoint_scores=provenance.calibration.apply(np.asarray(arrays.keypoint_scores)[valid]),
        embeddings=np.asarray(arrays.embeddings)[valid],
        image_size=size,
    )
