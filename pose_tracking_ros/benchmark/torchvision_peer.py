"""torchvision's Keypoint R-CNN (ResNet-50, FPN), run eagerly as `torchvision` offers it."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import UInt8
from torchvision.models.detection import keypointrcnn_resnet50_fpn

from pose_tracking_ros.benchmark.contestants import Facts, Stopwatch
from pose_tracking_ros.inference.letterbox import Letterbox
from pose_tracking_ros.network.model import SIZE_STEP_PX
from pose_tracking_ros.people import People
from pose_tracking_ros.settings.network import Precision


class KeypointRCNN:
    """Implements `Contestant`.

    The weights are random: time does not depend on their values. Boxes are not refined, so that
    random numbers move none of them out of the image.

    Args:
        device: where to run.
        threads: to be stated; torch's own setting counts.
        precision: of its arithmetic; bf16 by torch's autocast.
    """

    def __init__(self, device: torch.device, threads: int, precision: Precision = 'f32') -> None:
        torch.manual_seed(0)
        self._model = keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None)
        self._model.eval().to(device)
        heads = self._model.roi_heads
        for layer in (self._model.rpn.head.bbox_pred, heads.box_predictor.bbox_pred):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        # No score is below -1, no overlap above 1.
        heads.score_thresh, heads.nms_thresh = -1.0, 1.0
        self._device = device
        self.facts = Facts('torchvision', 'torch', str(device), threads, precision)
        self.pixels, self.proposals = 0, 0
        self._long_side_px = 0

    def prepare(self, people: int, long_side_px: int) -> None:
        """Set how many people to find and at what size."""
        self._model.roi_heads.detections_per_img = people
        self._long_side_px = long_side_px

    def find(self, image: UInt8[np.ndarray, 'height width 3'], clock: Stopwatch) -> People:
        """Return the people of an RGB image, without appearance: this network knows none."""
        height, width = image.shape[:2]
        letterbox = Letterbox.fit((width, height), self._long_side_px, SIZE_STEP_PX)
        model, padded = self._model, letterbox.padded_size
        # The same input as ours: its own scaling has nothing left to do.
        model.transform.min_size, model.transform.max_size = (min(padded),), max(padded)
        is_low = self.facts.precision == 'bf16'
        arithmetic = torch.autocast(self._device.type, torch.bfloat16, enabled=is_low)
        with torch.inference_mode(), arithmetic:
            pixels = torch.from_numpy(letterbox.apply(image)).to(self._device)
            images, _ = model.transform([pixels.permute(2, 0, 1).float() / 255])
            clock.lap('preprocess')
            features = model.backbone(images.tensors)
            clock.lap('trunk')
            proposals, _ = model.rpn(images, features)
            clock.lap('proposals')
            (found,), _ = model.roi_heads(features, proposals, images.image_sizes)
            clock.lap('heads')
        self.pixels = images.tensors.shape[-2] * images.tensors.shape[-1]
        self.proposals = len(proposals[0])
        arrays = {name: found[name].float().cpu().numpy() for name in ('boxes', 'scores')}
        points = letterbox.to_image(found['keypoints'][..., :2].float().cpu().numpy())
        boxes = letterbox.to_image(arrays['boxes'].reshape(-1, 2, 2)).reshape(-1, 4)
        people = People(
            boxes=boxes,
            scores=arrays['scores'],
            keypoints=points,
            keypoint_scores=found['keypoints_scores'].float().sigmoid().cpu().numpy(),
            embeddings=np.zeros((len(boxes), 0), np.float32),
            image_size=(width, height),
        )
        clock.lap('decode')
        return people
