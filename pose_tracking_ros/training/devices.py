"""On what a run computes, alone or as one of several processes."""

from __future__ import annotations

import os

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy


def fastest_precision() -> str:
    """Return `bf16-mixed` where bfloat16 is computed in hardware, else `32-true`.

    A CPU without such instructions emulates them, ten times slower than float32.
    """
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        abilities = torch.cpu.get_capabilities()
        fast = any(abilities.get(name, False) for name in ('avx512_bf16', 'amx_bf16'))
    return 'bf16-mixed' if fast else '32-true'


def make_fabric(precision: str) -> Fabric:
    """Return what runs the computation: one device, or those of a `torchrun` together.

    `torchrun --nproc-per-node 4 -m pose_tracking_ros.training CONFIG` starts a process per GPU;
    they average their gradients after each step.

    Args:
        precision: Lightning Fabric's name, or `auto` for `fastest_precision`.
    """
    precision = fastest_precision() if precision == 'auto' else precision
    world = int(os.environ.get('WORLD_SIZE', '1'))
    if world == 1:
        return Fabric(accelerator='auto', devices=1, precision=precision)  # type: ignore[arg-type]
    here = int(os.environ['LOCAL_WORLD_SIZE'])
    fabric = Fabric(
        accelerator='auto',
        devices=here,
        num_nodes=world // here,
        # A batch without people leaves the pose head without a gradient.
        strategy=DDPStrategy(find_unused_parameters=True),
        precision=precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric
