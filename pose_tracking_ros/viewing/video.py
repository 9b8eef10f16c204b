"""Writes images to a video file."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from jaxtyping import UInt8


class VideoWriter:
    """Writes RGB images to an MP4 file. A context manager; the file opens with the first image.

    Odd widths and heights, which most players refuse, are made even by repeating the last column
    or row. A file without an image is not written at all.

    Args:
        path: of the file; its folder must exist. An existing file is replaced.
        rate_hz: images per second.

    Raises:
        ValueError: `rate_hz` is not positive.
        FileNotFoundError: the folder does not exist.
    """

    def __init__(self, path: str | os.PathLike[str], rate_hz: float) -> None:
        if not rate_hz > 0:
            raise ValueError(f'rate_hz: expected more than 0 Hz, got {rate_hz}')
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise FileNotFoundError(
                f'video {self.path}: the folder {self.path.parent} does not exist; create it first'
            )
        self.rate_hz = rate_hz
        self.frame_count = 0
        self._writer: cv2.VideoWriter | None = None
        self._image_size = (0, 0)
        self._is_closed = False

    def write(self, image: UInt8[np.ndarray, 'height width 3']) -> None:
        """Append an RGB image.

        Raises:
            ValueError: it is not RGB with 8 bit, has another size than the first one, or the
                writer is closed.
            OSError: the file cannot be written.
        """
        if self._is_closed:
            raise ValueError(f'video {self.path}: already closed')
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(
                f'image: expected height x width x 3 of uint8, got {image.shape} of {image.dtype}'
            )
        height, width = image.shape[:2]
        if self._writer is None:
            self._writer = self._opened((width + width % 2, height + height % 2))
            self._image_size = (width, height)
        if (width, height) != self._image_size:
            raise ValueError(
                f'image: expected {self._image_size[0]} x {self._image_size[1]} px like the first '
                f'one in {self.path}, got {width} x {height}'
            )
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        if width % 2 or height % 2:
            bgr = cv2.copyMakeBorder(bgr, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        self._writer.write(bgr)
        self.frame_count += 1

    def _opened(self, size: tuple[int, int]) -> cv2.VideoWriter:
        # OpenCV tells of a failure on stderr only; trying the file first names the reason.
        with self.path.open('ab'):
            pass
        writer = cv2.VideoWriter(
            str(self.path), cv2.VideoWriter.fourcc(*'mp4v'), self.rate_hz, size
        )
        if not writer.isOpened():
            raise OSError(
                f'video {self.path}: OpenCV cannot write {size[0]} x {size[1]} px at '
                f'{self.rate_hz} Hz as mp4v; use a name that ends in .mp4'
            )
        return writer

    def close(self) -> None:
        """Finish the file. Closing again does nothing."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
        self._is_closed = True

    def __enter__(self) -> VideoWriter:
        """Return the writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file, also after an error."""
        self.close()
