"""The network's three parts as ONNX files, written by torch's exporter."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.jit._trace import TracerWarning

from pose_tracking_ros.inference.graph_forms import graph_parts
from pose_tracking_ros.inference.model_cache import Tell, entry
from pose_tracking_ros.network.heatmaps import DEFAULT_DECODING
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.weights import Provenance

PART_NAMES = ('trunk', 'box', 'person')
# RoIAlign and everything else newer stays outside of the graphs; every runtime reads this one.
OPSET = 17
# Raise when the graphs change: older entries are then not found any more.
REVISION = '3'

_OUTPUTS = {
    'trunk': ('rows', 'logits', 'deltas'),
    'box': ('scores', 'deltas'),
    'person': ('heatmaps', 'embeddings'),
}


def input_names(part: str, network: MultiTaskNetwork) -> tuple[str, ...]:
    """Return the names of a part's inputs, in order."""
    if part == 'person' and not network.layout.is_pooled_once:
        return ('for_pose', 'for_reid')
    return {'trunk': ('pixels',), 'box': ('pooled',), 'person': ('for_pose',)}[part]


def output_names(part: str) -> tuple[str, ...]:
    """Return the names of a part's outputs, in order."""
    return _OUTPUTS[part]


def sample_inputs(
    network: MultiTaskNetwork, people: int = 2, sides_px: tuple[int, int] = (128, 192)
) -> dict[str, tuple[Tensor, ...]]:
    """Return random inputs of the right shapes for each part.

    Args:
        network: tells the shapes.
        people: rows of the box and the person part.
        sides_px: height and width of the image, multiples of 32 px.
    """
    generator = torch.Generator().manual_seed(0)
    channels = network.pyramid.channels
    assert isinstance(channels, int)
    layout = network.layout
    grids = {'box': [layout.box.grid], 'person': [layout.pose.grid]}
    if not layout.is_pooled_once:
        grids['person'].append(layout.reid.grid)
    pixels = torch.randint(0, 256, (1, *sides_px, 3), generator=generator, dtype=torch.uint8)
    return {'trunk': (pixels,)} | {
        part: tuple(torch.rand(people, *grid, channels, generator=generator) for grid in wanted)
        for part, wanted in grids.items()
    }


def write_onnx(
    network: MultiTaskNetwork, folder: Path, done: Callable[[str], None] = lambda part: None
) -> None:
    """Write `trunk.onnx`, `box.onnx` and `person.onnx`.

    The trunk takes uint8 pixels, with normalisation in the graph; its height and width, and the
    number of boxes and people, are free.

    Args:
        network: on the CPU, in evaluation mode, batch norm folded.
        folder: exists.
        done: told the name of each part that is written.
    """
    inputs = sample_inputs(network)
    for part, module in zip(PART_NAMES, graph_parts(network), strict=True):
        assert isinstance(module, torch.nn.Module)
        names = input_names(part, network)
        if part == 'trunk':
            free = {'pixels': {1: 'height', 2: 'width'}}
        else:
            free = {name: {0: 'count'} for name in (*names, *output_names(part))}
        # The exporter on TorchScript is deprecated, but takes one second where its successor
        # takes 25; it runs when the node starts. It warns of sizes taken as constants: those are.
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter('ignore', DeprecationWarning)
            warnings.simplefilter('ignore', TracerWarning)
            # Sizes of paddings are left to the runtimes, which compute them when they load.
            warnings.filterwarnings('ignore', 'Constant folding', UserWarning)
            torch.onnx.export(
                module.eval(),
                inputs[part],
                folder / f'{part}.onnx',
                dynamo=False,
                opset_version=OPSET,
                input_names=names,
                output_names=output_names(part),
                dynamic_axes=free,
            )
        done(part)


def onnx_folder(
    network: MultiTaskNetwork, provenance: Provenance, cache: Path, tell: Tell
) -> Path:
    """Return a folder with the network's ONNX files, written if they are not in the cache.

    Raises:
        CacheError: the cache folder cannot be written.
    """
    facts = facts_of(provenance)
    return entry(cache, 'onnx', facts, lambda path: write_onnx(network, path), tell)


def facts_of(provenance: Provenance) -> dict[str, str]:
    """Return all that a network's ONNX files depend on."""
    facts = {
        'weights': provenance.sha256,
        'preset': provenance.preset,
        'torch': torch.__version__,
        'opset': str(OPSET),
        'revision': REVISION,
    }
    if provenance.decoding != DEFAULT_DECODING:
        # Whoever runs exported files elsewhere has to decode the heatmaps.
        facts['decoding'] = provenance.decoding
    return facts
