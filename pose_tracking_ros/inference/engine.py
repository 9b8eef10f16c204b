"""What every engine offers, whatever runs the network."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from jaxtyping import UInt8

from pose_tracking_ros.people import People
from pose_tracking_ros.settings import NetworkSettings


class Engine(Protocol):
    """Runs the network on one image at a time."""

    @property
    def model_id(self) -> str:
        """Preset and checkpoint hash, as published in messages."""

    @property
    def embedding_dim(self) -> int:
        """Length of the embeddings; 0 when it computes none."""

    @property
    def device_name(self) -> str:
        """Where it runs, in words, for example `cpu (2 threads)`."""

    @property
    def fallback_reason(self) -> str:
        """Why it runs on the CPU although a GPU was preferred; empty when it does not."""

    def apply_settings(self, settings: NetworkSettings) -> None:
        """Take over changed live settings from the next image on."""

    def warm_up(self) -> None:
        """Run once on an empty image, so that the first real one is not slow."""

    def infer(self, image: UInt8[np.ndarray, 'height width 3']) -> People:
        """Return the people in an RGB image, in its own pixel coordinates, best score first.

        Raises:
            ValueError: the image is not uint8 with three channels, or has no pixels.
        """
