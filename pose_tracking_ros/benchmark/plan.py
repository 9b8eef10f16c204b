"""What is to be measured."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

from pose_tracking_ros.benchmark.contestants import BenchmarkError
from pose_tracking_ros.inference.quantised import is_shipped
from pose_tracking_ros.inference.runtimes import ENGINES_OF
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.settings.network import Precision

GROWTH_SIZES = (320, 640, 960)
"""Sizes of growth laws, px: each has more than twice the pixels of the one before."""

PEERS = ('two-network', 'torchvision')
"""Other programs that can be measured beside ours."""


class Program(NamedTuple):
    """One of our networks, and what runs it.

    Attributes:
        preset: architecture.
        engine: by name, not `auto`.
        precision: of the arithmetic.
    """

    preset: str
    engine: str
    precision: Precision


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        presets: of our network.
        engines: that run it, by name.
        people: numbers of people.
        sizes: longer sides of the image inside our network, px.
        peers: other programs.
        teachers: folder of the peer `two-network`.
        device: where our network and torchvision run.
        threads: of all networks.
        rounds: turns of each case.
        clip: video that gives the pictures; None renders people.
        growth: whether growth laws are measured.
        steps: whether single steps are measured.
        precisions: of all networks.
        growth_sizes: longer sides at which growth laws are measured, px.
        coco: folder of labelled pictures, see `accuracy.CocoFolder`; None measures no accuracy.
    """

    presets: tuple[str, ...]
    engines: tuple[str, ...]
    people: tuple[int, ...]
    sizes: tuple[int, ...]
    peers: tuple[str, ...]
    teachers: Path | None
    device: str
    threads: int
    rounds: int
    clip: Path | None
    growth: bool = True
    steps: bool = True
    precisions: tuple[Precision, ...] = ('f32',)
    growth_sizes: tuple[int, ...] = GROWTH_SIZES
    coco: Path | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            BenchmarkError: nothing to measure, or a peer lacks its files.
        """
        if min(self.people, default=0) < 1 or min((*self.sizes, *self.growth_sizes)) < 64:
            raise BenchmarkError(
                'benchmark: expected at least one number of people, from 1 up, and one size, from '
                f'64 px up; got people {list(self.people)}, sizes {list(self.sizes)}, of growth '
                f'{list(self.growth_sizes)}'
            )
        if self.rounds < 1 or self.threads < 1:
            raise BenchmarkError(
                f'benchmark: expected at least 1 round and 1 thread, got {self.rounds} and '
                f'{self.threads}'
            )
        if 'two-network' in self.peers and self.teachers is None:
            raise BenchmarkError(
                'peer two-network: expected the folder of its OpenVINO models (picodet_320, '
                'tinypose_256_192: .xml and .bin), got none; name it with --teachers DIR, or '
                'leave this peer out (--peers)'
            )

    def programs(self, presets: tuple[str, ...] | None = None) -> list[Program]:
        """Return each preset by every engine, in every precision that both have.

        Args:
            presets: other ones than the plan's.
        """
        return [
            Program(preset, engine, precision)
            for preset, engine, precision in product(
                self.presets if presets is None else presets, self.engines, self.precisions
            )
            if engine in ENGINES_OF[precision] and (precision != 'int8' or is_shipped(preset))
        ]

    @property
    def peer_precisions(self) -> tuple[Precision, ...]:
        """Those that other programs have too; nobody quantised these."""
        return tuple(one for one in self.precisions if one != 'int8')

    @property
    def usual_size_px(self) -> int:
        """The size at which programs are compared: the setting's default, else the middle one."""
        default = NetworkSettings().image_long_side_px
        return default if default in self.sizes else sorted(self.sizes)[len(self.sizes) // 2]

    @property
    def rival_size_px(self) -> int:
        """The size at which the paper's network meets torchvision's: the largest.

        Both are made for larger images than `lite`: 600x1000 px in the paper.
        """
        return max(self.sizes)
