"""What a network costs: parameters, and operations of its parts, counted by torch.

Nothing is computed: on torch's `meta` device tensors have shapes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pose_tracking_ros.network.model import SIZE_STEP_PX
from pose_tracking_ros.network.presets import build_network, proposals_of


@dataclass(frozen=True)
class Cost:
    """Cost of one image. A FLOP is one addition or one multiplication.

    Attributes:
        preset: architecture.
        size_px: width and height of the network's input.
        parameters: numbers in the checkpoint that training may change, of frozen norms too.
        trunk_flops: backbone, pyramid and RPN head.
        proposal_flops: box head, for one proposal.
        person_flops: pose and Re-ID head, for one person.
        proposals: regions that reach the box head.
    """

    preset: str
    size_px: tuple[int, int]
    parameters: int
    trunk_flops: int
    proposal_flops: int
    person_flops: int
    proposals: int

    def flops(self, people: int) -> int:
        """Return the operations of an image with so many people.

        Pooling, choosing boxes and decoding are left out: they move numbers more than they
        compute.
        """
        heads = self.proposals * self.proposal_flops + people * self.person_flops
        return self.trunk_flops + heads


def cost_of(preset: str, size_px: tuple[int, int]) -> Cost:
    """Return what a preset costs.

    Args:
        preset: architecture.
        size_px: width and height of the input, multiples of 32.

    Raises:
        ValueError: a side is not a multiple of 32 px, or there is no such preset.
    """
    width, height = size_px
    if width % SIZE_STEP_PX or height % SIZE_STEP_PX or min(size_px) <= 0:
        raise ValueError(
            f'size: expected sides that are multiples of {SIZE_STEP_PX} px, got {width}x{height}'
        )
    with torch.device('meta'):
        network = build_network(preset).eval()
        trunk, box, person = network.parts()
        layout, channels = network.layout, network.pyramid.channels
        assert isinstance(channels, int)
        pixels = torch.zeros(1, height, width, 3, dtype=torch.uint8)
        for_box = torch.zeros(1, *layout.box.grid, channels)
        for_person = [torch.zeros(1, *layout.pose.grid, channels)]
        if not layout.is_pooled_once:
            for_person.append(torch.zeros(1, *layout.reid.grid, channels))
        return Cost(
            preset=preset,
            size_px=size_px,
            parameters=_parameters(network),
            trunk_flops=_flops(trunk, pixels),
            proposal_flops=_flops(box, for_box),
            person_flops=_flops(person, *for_person),
            proposals=proposals_of(preset),
        )


def _parameters(network: nn.Module) -> int:
    # Weight and bias of frozen batch norms are buffers; their statistics are not counted.
    frozen = (
        value.numel()
        for name, value in network.named_buffers()
        if name.rsplit('.', 1)[-1] in ('weight', 'bias')
    )
    return sum(parameter.numel() for parameter in network.parameters()) + sum(frozen)


def _flops(part: Any, *given: Tensor) -> int:
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        part(*given)
    return int(counter.get_total_flops())
