"""Quantisation to int8 after training, by NNCF: what parts see of a few pictures sets ranges.

Weights get a scale per output channel, activations one per tensor (arXiv 1712.05877).
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from pose_tracking_ros.inference.engine_error import EngineError
from pose_tracking_ros.inference.model_cache import cache_folder
from pose_tracking_ros.inference.network_engine import NetworkEngine
from pose_tracking_ros.inference.onnx_files import PART_NAMES, input_names, onnx_folder
from pose_tracking_ros.inference.openvino_parts import openvino_models
from pose_tracking_ros.inference.quantised import facts_of
from pose_tracking_ros.inference.runtimes import Job, build
from pose_tracking_ros.network.parts import Parts

# Of the boxes or people of one picture, no more are looked at: a thousand proposals of the paper's
# presets are 50 MB.
_ROWS = 100

# OpenVINO's operations that stay in f32. Depthwise convolutions take longer in int8 and lose half
# of what is lost; what brings embeddings to unit length must do so for lengths never seen, too.
_IN_FULL = ('GroupConvolution', 'BatchNormInference', 'ReduceL2', 'Divide')

_Inputs = dict[str, list[dict[str, np.ndarray]]]


def quantised_models(
    job: Job, pictures: Iterable[UInt8[np.ndarray, 'height width 3']]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return OpenVINO's models of the parts in int8, and facts about how they were made.

    Args:
        job: which network; its settings say how large pictures get inside.
        pictures: RGB, like those that the network is to see. A hundred do.

    Raises:
        EngineError: NNCF or OpenVINO is not installed, or the network finds nobody in the
            pictures.
    """
    nncf = _nncf()
    runtime = build('openvino', job)
    seen: _Inputs = {part: [] for part in PART_NAMES}
    recording = replace(runtime, parts=_recording(runtime.parts, job, seen))
    engine = NetworkEngine(job.network, recording, job.provenance, job.settings)
    count = 0
    for picture in pictures:
        engine.infer(picture)
        count += 1
    if not seen['person']:
        raise EngineError(
            f'quantise: expected pictures with people, but the network finds nobody in {count} '
            'pictures; give others'
        )
    folder = onnx_folder(
        job.network, job.provenance, cache_folder(job.settings.engine_cache), job.tell
    )
    models = {
        part: nncf.quantize(
            model,
            nncf.Dataset(seen[part]),
            # Activations are of both signs but for those behind a ReLU.
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(seen[part]),
            ignored_scope=nncf.IgnoredScope(types=list(_IN_FULL), validate=False),
        )
        for part, model in openvino_models(folder).items()
    }
    facts = facts_of(job.provenance) | {
        'pictures': str(count),
        'pictures_with_people': str(len(seen['person'])),
        'image_long_side_px': str(job.settings.image_long_side_px),
        'nncf': importlib.metadata.version('nncf'),
        'openvino': importlib.metadata.version('openvino'),
    }
    return models, facts


def _nncf() -> Any:
    # Otherwise it tells its makers that it was used, and nothing here uses the network unasked.
    os.environ['NNCF_CI'] = '1'
    try:
        import nncf
    except ImportError as error:
        raise EngineError(
            'quantise: needs the Python package nncf, which is not installed; run '
            '`pip install -r requirements/int8.txt -c requirements/constraints.txt`'
        ) from error
    nncf.set_log_level(logging.ERROR)
    return nncf


def _recording(parts: Parts, job: Job, seen: _Inputs) -> Parts:
    """Return parts that keep what they are given."""

    def recorded(part: str, run: Callable[..., Any]) -> Callable[..., Any]:
        names = input_names(part, job.network)

        def call(*given: Tensor) -> Any:
            arrays = [_few(one.numpy()) for one in given]
            seen[part].append(dict(zip(names, arrays, strict=True)))
            return run(*given)

        return call

    return Parts(*(recorded(part, getattr(parts, part)) for part in PART_NAMES))


def _few(rows: np.ndarray) -> np.ndarray:
    # Copied: a runtime uses its memory again.
    return np.array(rows[:: -(-len(rows) // _ROWS)])
