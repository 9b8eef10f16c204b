"""Our own network by any engine, split into stages where the engine hands over to its parts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from pose_tracking_ros.benchmark.contestants import Facts, Stopwatch
from pose_tracking_ros.inference.loading import choose_device
from pose_tracking_ros.inference.network_engine import NetworkEngine
from pose_tracking_ros.inference.runtimes import Job, build, network_of
from pose_tracking_ros.network.parts import Parts
from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.network.weights import (
    WeightsError,
    save_weights,
    shipped_weights,
)
from pose_tracking_ros.people import People
from pose_tracking_ros.settings import NetworkSettings

_LOG = logging.getLogger(__name__)


class _Measured(NetworkEngine):
    """An engine of which the number of proposals can be set."""

    def limit_proposals(self, count: int) -> None:
        """Let so many proposals reach the box head from the next image on."""
        self._selection = replace(self._selection, proposals=count)


class OurNetwork:
    """Implements `Contestant`.

    Stages: what lies before the trunk is `preprocess`; between trunk and box head `proposals`
    (ranking, NMS, pooling); between box head and the heads of a person `selection` (NMS, pooling);
    after these `decode`.

    Args:
        settings: preset, weights, engine, precision, device and threads; the engine is not `auto`.

    Raises:
        WeightsError: the checkpoint is missing, damaged, or for another network.
        DeviceError: the device is not there.
        EngineError: the engine cannot run here, or not so precisely.
        CacheError: the engine's cache folder cannot be written.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        device, _ = choose_device(settings.device)
        network, provenance = network_of(settings)
        job = Job(network, provenance, settings, device, _LOG.info)
        runtime = build(settings.engine, job)
        self._clock = Stopwatch()
        self.pixels, self.proposals = 0, 0
        timed = replace(runtime, parts=self._timed(runtime.parts))
        self._settings = settings
        self._engine = _Measured(network, timed, provenance, settings)
        self.facts = Facts(
            name=settings.preset,
            engine=settings.engine,
            device=str(device),
            threads=settings.threads,
            precision='f16' if runtime.half else settings.precision,
        )

    def prepare(self, people: int, long_side_px: int, proposals: int | None = None) -> None:
        """Set how many people to find and at what size.

        Args:
            people: exactly so many come out.
            long_side_px: longer side of the image inside the network.
            proposals: that reach the box head; None leaves it to the preset.
        """
        self._engine.apply_settings(
            replace(
                self._settings,
                image_long_side_px=long_side_px,
                min_person_score=0.0,
                nms_iou=1.0,
                max_people=people,
            )
        )
        if proposals is not None:
            self._engine.limit_proposals(proposals)

    def find(self, image: UInt8[np.ndarray, 'height width 3'], clock: Stopwatch) -> People:
        """Return the people of an RGB image."""
        self._clock = clock
        people = self._engine.infer(image)
        clock.lap('decode')
        return people

    def _timed(self, parts: Parts) -> Parts:
        def timed(run: Callable[..., Any], before: str, stage: str) -> Callable[..., Any]:
            def call(*inputs: torch.Tensor) -> Any:
                if stage == 'trunk':
                    self.pixels = inputs[0].shape[1] * inputs[0].shape[2]
                    self.proposals = 0
                if stage == 'box head':
                    # Many proposals come in several batches.
                    self.proposals += len(inputs[0])
                self._clock.lap(before)
                outputs = run(*inputs)
                self._clock.lap(stage)
                return outputs

            return call

        return Parts(
            timed(parts.trunk, 'preprocess', 'trunk'),
            timed(parts.box, 'proposals', 'box head'),
            timed(parts.person, 'selection', 'heads'),
        )


def weights_for(preset: str, folder: Path) -> str:
    """Return a checkpoint to measure a preset with: the shipped one, else random numbers.

    Time does not depend on their values.

    Args:
        preset: architecture.
        folder: where a file of random numbers is written, unless it is there.
    """
    try:
        shipped_weights(preset)
    except WeightsError:
        path = folder / f'{preset}.safetensors'
        if not path.is_file():
            torch.manual_seed(0)
            save_weights(build_network(preset), path, preset, {'note': 'random, for measuring'})
        return str(path)
    return 'default'
