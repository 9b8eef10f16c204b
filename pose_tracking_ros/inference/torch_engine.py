"""The network run by PyTorch, eagerly, on a GPU or the CPU."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from pose_tracking_ros.inference.letterbox import PADDING_RGB, Letterbox
from pose_tracking_ros.network.backbone import fold_batch_norm
from pose_tracking_ros.network.detection import Detections, Selection
from pose_tracking_ros.network.model import SIZE_STEP_PX, MultiTaskNetwork
from pose_tracking_ros.network.presets import EMBEDDING_DIM, before_nms_of, proposals_of
from pose_tracking_ros.network.weights import Provenance
from pose_tracking_ros.people import People
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.skeleton import SKELETONS

# Where a lone crop is laid: rows and columns, multiples of 64 px, with room around the person.
_CROP_CANVAS = (192, 128)
_CROP_HEIGHT_PX = 128


class TorchEngine:
    """Implements `Engine`.

    Args:
        network: with its weights.
        provenance: of the weights.
        settings: live ones may change later by `apply_settings`.
        device: where to run.
        fallback_reason: why it is the CPU although a GPU was preferred; empty when it is not.
    """

    def __init__(
        self,
        network: MultiTaskNetwork,
        provenance: Provenance,
        settings: NetworkSettings,
        device: torch.device,
        fallback_reason: str = '',
    ) -> None:
        self.fallback_reason = fallback_reason
        self._device = device
        # One operation fewer per convolution; the network computes the same.
        fold_batch_norm(network.eval())
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._provenance = provenance
        if device.type == 'cpu' and settings.threads:
            torch.set_num_threads(settings.threads)
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
        if self._device.type == 'cuda':
            return f'{self._device} ({torch.cuda.get_device_name(self._device)})'
        return f'cpu ({torch.get_num_threads()} threads)'

    def apply_settings(self, settings: NetworkSettings) -> None:
        """Take over changed live settings from the next image on."""
        self._settings = settings
        self._selection = Selection(
            before_nms=before_nms_of(settings.preset),
            proposals=proposals_of(settings.preset),
            max_people=settings.max_people,
            min_score=settings.min_person_score,
            nms_iou=settings.nms_iou,
            static=self._device.type == 'cuda',
        )

    def warm_up(self) -> None:
        """Run once on an empty image, so that the first real one is not slow."""
        self.infer(np.zeros((480, 640, 3), np.uint8))

    def infer(self, image: UInt8[np.ndarray, 'height width 3']) -> People:
        """Return the people in an RGB image, in its own pixel coordinates, best score first.

        Raises:
            ValueError: the image is not uint8 with three channels, or has no pixels.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(
                'image: expected uint8 RGB of shape height x width x 3 with pixels, got '
                f'{image.dtype} of shape {" x ".join(map(str, image.shape))}'
            )
        size = (image.shape[1], image.shape[0])
        letterbox = Letterbox.fit(size, self._settings.image_long_side_px, SIZE_STEP_PX)
        pixels = torch.from_numpy(letterbox.apply(image)).to(self._device, non_blocking=True)
        batch = pixels.permute(2, 0, 1)[None].float()
        # float32 on the CPU: bfloat16 pays off on few CPUs only.
        with torch.inference_mode(), self._precision():
            found = self._network(batch, self._selection)[0]
        return _people(found, letterbox, size, self._provenance)

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
        images = np.empty((len(crops), *_CROP_CANVAS, 3), np.uint8)
        images[:] = PADDING_RGB
        boxes = np.zeros((len(crops), 4), np.float32)
        rows, columns = _CROP_CANVAS
        for number, crop in enumerate(crops):
            height = _CROP_HEIGHT_PX
            width = min(max(1, round(crop.shape[1] * height / crop.shape[0])), columns)
            x, y = (columns - width) // 2, (rows - height) // 2
            images[number, y : y + height, x : x + width] = cv2.resize(
                crop, (width, height), interpolation=cv2.INTER_LINEAR
            )
            boxes[number] = [x, y, x + width, y + height]
        batch = torch.from_numpy(images).to(self._device).permute(0, 3, 1, 2).float()
        index = torch.arange(len(crops), dtype=torch.float32, device=self._device)
        with torch.inference_mode(), self._precision():
            found = self._network.embed(batch, torch.from_numpy(boxes).to(self._device), index)
        return np.asarray(found.float().cpu().numpy(), np.float32)

    def _precision(self) -> torch.autocast:
        return torch.autocast(
            self._device.type, torch.float16, enabled=self._device.type == 'cuda'
        )


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
