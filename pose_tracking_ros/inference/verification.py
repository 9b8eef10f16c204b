"""Whether a runtime computes what torch computes."""

from __future__ import annotations

import torch

from pose_tracking_ros.inference.onnx_files import PART_NAMES, output_names, sample_inputs
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.parts import Parts

# Of the largest value of an output. Full precision stays below 1e-5.
MAX_RELATIVE_DIFFERENCE = 1e-3


def differences(
    network: MultiTaskNetwork, parts: Parts, people: int, sides_px: tuple[int, int]
) -> dict[str, tuple[float, float]]:
    """Return, by output, the largest difference to torch: absolute, and of the largest value.

    Args:
        network: on the CPU.
        parts: of the same network, on the CPU.
        people: rows of the box and the person part.
        sides_px: height and width of the image, multiples of 32 px.
    """
    inputs = sample_inputs(network, people, sides_px)
    found: dict[str, tuple[float, float]] = {}
    with torch.inference_mode():
        for part in PART_NAMES:
            expected = getattr(network.parts(), part)(*inputs[part])
            actual = getattr(parts, part)(*inputs[part])
            names = output_names(part)
            for name, wanted, given in zip(names, expected, actual, strict=True):
                if wanted.shape != given.shape:
                    raise ValueError(
                        f'{part} {name}: expected shape {tuple(wanted.shape)}, '
                        f'got {tuple(given.shape)}'
                    )
                worst = float((wanted - given).abs().max())
                found[f'{part} {name}'] = (worst, worst / float(wanted.abs().max()))
    return found
