"""Named architectures: the paper's four, and `lite` for CPUs and small Jetsons."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracking_ros.network.backbone import (
    Stages,
    mobilenet_stages,
    resnet_stages,
    wide_mobilenet_stages,
)
from pose_tracking_ros.network.fpn import NarrowingPyramid, PaperPyramid
from pose_tracking_ros.network.heads import (
    BoxHead,
    LitePoseHead,
    LiteReidHead,
    PaperPoseHead,
    PaperReidHead,
)
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.rpn import RegionProposals
from pose_tracking_ros.skeleton import COCO_17, Skeleton

EMBEDDING_DIM = 128


@dataclass(frozen=True)
class Preset:
    """What tells the paper's networks apart (FastPose §3.4).

    Attributes:
        backbone: torchvision's name.
        pose_layers: convolutions of the pose head.
        reid_layers: convolutions of the Re-ID head.
        proposals: regions that reach the box head at inference.
    """

    backbone: str
    pose_layers: int
    reid_layers: int
    proposals: int = 1000


PAPER_PRESETS = {
    'fastpose-mobilenetv2': Preset('mobilenet_v2', 4, 2),
    'fastpose-18': Preset('resnet18', 4, 2),
    'fastpose-50': Preset('resnet50', 8, 4),
    'fastpose-101': Preset('resnet101', 8, 4),
}
LITE_PROPOSALS = 100
_LITE_BEFORE_NMS = 300
_PAPER_BEFORE_NMS = 1000
PRESETS = ('lite', *PAPER_PRESETS)


def build_network(preset: str, skeleton: Skeleton = COCO_17) -> MultiTaskNetwork:
    """Return an untrained network of a preset.

    Raises:
        ValueError: no preset of that name.
    """
    if preset == 'lite':
        return _lite(len(skeleton))
    if preset not in PAPER_PRESETS:
        raise ValueError(f'preset: expected one of {", ".join(PRESETS)}; got {preset!r}')
    return _paper(PAPER_PRESETS[preset], len(skeleton))


def proposals_of(preset: str) -> int:
    """Return how many regions reach the box head at inference."""
    return LITE_PROPOSALS if preset == 'lite' else PAPER_PRESETS[preset].proposals


def before_nms_of(preset: str) -> int:
    """Return how many regions per pyramid level enter non-maximum suppression at inference."""
    return _LITE_BEFORE_NMS if preset == 'lite' else _PAPER_BEFORE_NMS


def _paper(preset: Preset, joints: int) -> MultiTaskNetwork:
    backbone: Stages = (
        mobilenet_stages() if preset.backbone == 'mobilenet_v2' else resnet_stages(preset.backbone)
    )
    channels = 256
    return MultiTaskNetwork(
        backbone=backbone,
        pyramid=PaperPyramid(backbone.channels, channels),
        rpn=RegionProposals(
            channels,
            ('p2', 'p3', 'p4', 'p5', 'p6'),
            ((32,), (64,), (128,), (256,), (512,)),
            (0.5, 1.0, 2.0),
            lite=False,
        ),
        box_head=BoxHead(channels, 1024),
        pose_head=PaperPoseHead(channels, joints, preset.pose_layers),
        reid_head=PaperReidHead(channels, preset.reid_layers, EMBEDDING_DIM),
    )


def _lite(joints: int) -> MultiTaskNetwork:
    backbone = wide_mobilenet_stages()
    channels = 64
    return MultiTaskNetwork(
        backbone=backbone,
        pyramid=NarrowingPyramid(backbone.channels, channels),
        rpn=RegionProposals(
            channels,
            # No anchors on p2: three quarters of all anchors for people under 20 px.
            ('p3', 'p4', 'p5', 'p6'),
            ((20, 32), (48, 72), (104, 152), (224, 336)),
            (0.8, 1.6, 3.0),
            lite=True,
        ),
        box_head=BoxHead(channels, 192),
        pose_head=LitePoseHead(channels, joints, width=96, blocks=4),
        reid_head=LiteReidHead(channels, width=128, dim=EMBEDDING_DIM),
    )
