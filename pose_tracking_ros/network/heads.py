"""The three heads on pooled regions: box, pose, Re-ID."""

from __future__ import annotations

import math

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pose_tracking_ros.network.fpn import separable
from pose_tracking_ros.network.pooling import CANONICAL_SIZE_PX, Pooling


class BoxHead(nn.Module):
    """Two fully connected layers, then person score and box refinement.

    Args:
        channels: of the pyramid.
        hidden: width of the layers.
    """

    pooling = Pooling((7, 7))

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * math.prod(self.pooling.grid), hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
        )
        self.score = nn.Linear(hidden, 1)
        self.deltas = nn.Linear(hidden, 4)
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.normal_(self.deltas.weight, std=0.001)
        nn.init.zeros_(self.score.bias)
        nn.init.zeros_(self.deltas.bias)

    def forward(
        self, pooled: Float[Tensor, 'box channel 7 7']
    ) -> tuple[Float[Tensor, 'box'], Float[Tensor, 'box 4']]:
        """Return person logits and deltas relative to the pooled boxes."""
        shared = self.layers(pooled)
        return self.score(shared)[:, 0].float(), self.deltas(shared).float()


class PaperPoseHead(nn.Module):
    """FastPose's pose head: convolutions of 512 on 22x16, two deconvolutions to 88x64.

    Args:
        channels: of the pyramid.
        joints: of the skeleton.
        layers: 4 for the small backbones, 8 for the deep ones (FastPose §3.4).
    """

    pooling = Pooling((22, 16), margin=1.0)
    heatmap = (88, 64)

    def __init__(self, channels: int, joints: int, layers: int) -> None:
        super().__init__()
        self.joints = joints
        width = 512
        convs: list[nn.Module] = []
        for number in range(layers):
            convs += [nn.Conv2d(channels if number == 0 else width, width, 3, padding=1)]
            convs += [nn.ReLU(inplace=True)]
        self.convs = nn.Sequential(*convs)
        self.up = nn.Sequential(
            nn.ConvTranspose2d(width, width // 2, 4, 2, 1),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width // 2, joints, 4, 2, 1),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, pooled: Float[Tensor, 'box channel 22 16']) -> Tensor:
        """Return heatmap logits, box x joint x 88 x 64."""
        heatmaps: Tensor = self.up(self.convs(pooled))
        return heatmaps.float()


class PaperReidHead(nn.Module):
    """FastPose's Re-ID head: convolutions of 256 on 14x14 and a 128-d vector.

    Args:
        channels: of the pyramid.
        layers: 2 for the small backbones, 4 for the deep ones (FastPose §3.4).
        dim: length of the embedding.
    """

    pooling = Pooling((14, 14), margin=1.0)

    def __init__(self, channels: int, layers: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        convs: list[nn.Module] = []
        for number in range(layers):
            convs += [nn.Conv2d(channels if number == 0 else 256, 256, 3, padding=1)]
            convs += [nn.ReLU(inplace=True)]
        self.convs = nn.Sequential(*convs)
        self.embed = nn.Linear(256 * math.prod(self.pooling.grid), dim)

    def forward(self, pooled: Float[Tensor, 'box channel 14 14']) -> Float[Tensor, 'box dim']:
        """Return embeddings of unit length."""
        return F.normalize(self.embed(self.convs(pooled).flatten(1)).float(), dim=1)


class _SeparableResidual(nn.Module):
    """Depthwise 5x5 and pointwise convolution around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = separable(channels, channels, kernel=5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.branch(x)
        return out


class LitePoseHead(nn.Module):
    """Separable convolutions only: 24x18 in, 48x36 heatmaps out.

    Residual blocks see the whole body, a pixel shuffle doubles the resolution.

    Args:
        channels: of the pyramid.
        joints: of the skeleton.
        width: channels inside.
        blocks: separable residual blocks.
    """

    # A level finer than in FPN: joints are small beside their person.
    pooling = Pooling((24, 18), margin=1.15, canonical_px=2 * CANONICAL_SIZE_PX)
    heatmap = (48, 36)

    def __init__(self, channels: int, joints: int, width: int, blocks: int) -> None:
        super().__init__()
        self.joints = joints
        self.mix = separable(channels, width)
        self.body = nn.Sequential(*(_SeparableResidual(width) for _ in range(blocks)))
        self.up = nn.Sequential(
            nn.Conv2d(width, width * 2, 1, bias=False),
            nn.BatchNorm2d(width * 2),
            nn.ReLU(inplace=True),
            nn.PixelShuffle(2),
            nn.Conv2d(width // 2, width // 2, 3, padding=1, groups=width // 2, bias=False),
            nn.Conv2d(width // 2, joints, 1),
        )

    def forward(self, pooled: Float[Tensor, 'box channel 24 18']) -> Tensor:
        """Return heatmap logits, box x joint x 48 x 36."""
        heatmaps: Tensor = self.up(self.body(self.mix(pooled)))
        return heatmaps.float()


class LiteReidHead(nn.Module):
    """Separable convolutions, pooled in horizontal stripes (head to feet), then a vector.

    It uses the same pooled regions as the pose head, so pooling is paid once.

    Args:
        channels: of the pyramid.
        width: channels inside.
        dim: length of the embedding.
    """

    pooling = LitePoseHead.pooling
    stripes = 4

    def __init__(self, channels: int, width: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.convs = nn.Sequential(
            separable(channels, width, stride=2),
            separable(width, width),
            separable(width, width),
        )
        self.embed = nn.Sequential(
            nn.Flatten(),
            nn.Linear(width * self.stripes, dim, bias=False),
            nn.BatchNorm1d(dim),
        )

    def forward(self, pooled: Float[Tensor, 'box channel 24 18']) -> Float[Tensor, 'box dim']:
        """Return embeddings of unit length."""
        x = self.convs(pooled)
        rows = x.shape[2] // self.stripes
        striped = x.unflatten(2, (self.stripes, rows)).mean((3, 4))
        return F.normalize(self.embed(striped).float(), dim=1)


PoseHead = PaperPoseHead | LitePoseHead
ReidHead = PaperReidHead | LiteReidHead
