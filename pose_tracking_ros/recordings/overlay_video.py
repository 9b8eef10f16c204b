"""The pictures of a run: a video with the tracks drawn in, and a sheet of samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from jaxtyping import UInt8

from pose_tracking_ros.people import TrackState
from pose_tracking_ros.recordings.recording import FrameRecord
from pose_tracking_ros.recordings.sampling import EvenSample
from pose_tracking_ros.viewing.contact_sheet import contact_sheet
from pose_tracking_ros.viewing.overlay import draw_tracks
from pose_tracking_ros.viewing.trails import Trails
from pose_tracking_ros.viewing.video import VideoWriter

_Image = UInt8[np.ndarray, 'height width 3']

_SHEET_IMAGES = 12
_SHEET_COLUMNS = 3
# A camera that pauses must not fill the disk.
_MAX_HELD_S = 5.0


def rate_of(stamps_ns: Sequence[int]) -> float | None:
    """Return a source's rate in Hz, from the median interval; None for fewer than 2 stamps."""
    intervals = np.diff(np.asarray(stamps_ns, dtype=np.int64))
    intervals = intervals[intervals > 0]
    return round(1e9 / float(np.median(intervals)), 3) if len(intervals) else None


class OverlayVideo:
    """Draws the processed images and writes them as video and contact sheet; a context manager.

    The video keeps the time of the source: where images were dropped, the last drawn one stays.
    Images of another size than the first are scaled to it, because a video has one size.

    Args:
        video: file of the video.
        sheet: file of the contact sheet, written at the end.
    """

    def __init__(self, video: Path, sheet: Path) -> None:
        self._video = video
        self._sheet = sheet
        self._writer: VideoWriter | None = None
        self._trails = Trails()
        self._sample: EvenSample[tuple[np.ndarray, str]] = EvenSample(_SHEET_IMAGES)
        self._held: tuple[int, np.ndarray] | None = None

    def add(self, image: _Image, frame: FrameRecord, number: int, rate_hz: float | None) -> None:
        """Draw the result of an image.

        Args:
            image: RGB, the one that was processed.
            frame: its result.
            number: of the image in the source; images come in ascending order.
            rate_hz: of the source; None when it is not known yet, possible for the first only.
        """
        drawn_tracks = [t for t in frame.tracks if t.state != TrackState.TENTATIVE]
        self._trails.update(drawn_tracks, frame.stamp_ns * 1e-9)
        drawn = draw_tracks(image, drawn_tracks, self._trails)
        if self._held is not None and drawn.shape != self._held[1].shape:
            height, width = self._held[1].shape[:2]
            drawn = np.asarray(cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA))
        if self._sample.is_due:
            caption = f'image {number}, {len(frame.shown)} people'
            self._sample.offer((drawn, caption))
        else:
            self._sample.offer(None)
        if rate_hz is not None:
            self._write_held(number, rate_hz)
        if self._held is None or rate_hz is not None:
            self._held = (number, drawn)

    def _write_held(self, until: int, rate_hz: float) -> None:
        if self._held is None:
            return
        first, drawn = self._held
        if self._writer is None:
            self._writer = VideoWriter(self._video, rate_hz)
        for _ in range(min(until - first, round(_MAX_HELD_S * rate_hz))):
            self._writer.write(drawn)

    def __enter__(self) -> OverlayVideo:
        """Return itself, ready to draw."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete both files, also after an error; without any image none is written."""
        if self._held is not None:
            rate_hz = self._writer.rate_hz if self._writer else 1.0
            self._write_held(self._held[0] + 1, rate_hz)
        if self._writer is not None:
            self._writer.close()
        chosen = self._sample.chosen()
        if chosen:
            images, captions = zip(*chosen, strict=True)
            sheet = contact_sheet(images, captions, columns=_SHEET_COLUMNS)
            if not cv2.imwrite(str(self._sheet), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
                raise OSError(f'{self._sheet}: OpenCV could not write the contact sheet')
