"""What was seen of a run: the stamps of the source, and the result of each image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pose_tracking_ros.people import EventKind, Track, TrackState

SHOWN_STATES = (TrackState.CONFIRMED, TrackState.OCCLUDED)
"""States of the people that are counted and written: those found for long enough."""


@dataclass(frozen=True)
class FrameRecord:
    """The published result of one image.

    Attributes:
        stamp_ns: of the image, ns.
        image_size: width and height, px.
        tracks: as published, tentative and lost ones included.
        frames_dropped: images that the node has dropped so far.
        processing_time_s: from the node taking the image to publishing, s.
        latency_s: from the source publishing the image to the node publishing the result, s;
            None when the image was not seen.
        session_id: session of the track ids.
        model_id: preset and weights.
        source_number: of the image in the source, from 1 up; None to find it by the stamp, which
            is ambiguous where stamps repeat.
    """

    stamp_ns: int
    image_size: tuple[int, int]
    tracks: list[Track]
    frames_dropped: int
    processing_time_s: float
    latency_s: float | None
    session_id: int
    model_id: str
    source_number: int | None = None

    @property
    def shown(self) -> list[Track]:
        """The confirmed people that were found in this very image."""
        return [track for track in self.tracks if track.is_matched and track.state in SHOWN_STATES]


@dataclass
class Recording:
    """A run, in the order in which things arrived.

    Attributes:
        frames: results, one per processed image; see `add`.
        events: how often each kind of event happened.
        wall_time_s: how long the run took, s.
    """

    frames: list[FrameRecord] = field(default_factory=list)
    events: Counter[EventKind] = field(default_factory=Counter)
    wall_time_s: float = 0.0
    _stamps_ns: list[int] = field(default_factory=list, init=False, repr=False)
    _numbers: dict[int, int] = field(default_factory=dict, init=False, repr=False)
    _id_offsets: dict[int, int] = field(default_factory=dict, init=False, repr=False)
    _highest_id: int = field(default=0, init=False, repr=False)

    @property
    def source_stamps_ns(self) -> Sequence[int]:
        """Stamps of the images that the source has published, ns."""
        return self._stamps_ns

    def note_source(self, stamp_ns: int) -> None:
        """Take note of the next image that the source has published."""
        self._stamps_ns.append(stamp_ns)
        self._numbers.setdefault(stamp_ns, len(self._stamps_ns))

    def number_of(self, frame: FrameRecord) -> int | None:
        """Return the number of a result's image in the source, from 1 up; None if not known."""
        if frame.source_number is not None:
            return frame.source_number
        return self._numbers.get(frame.stamp_ns)

    def numbered(self) -> Iterator[tuple[int, FrameRecord]]:
        """Return each result with its number, without those whose number is not known."""
        for frame in self.frames:
            number = self.number_of(frame)
            if number is not None:
                yield number, frame

    def add(self, frame: FrameRecord) -> None:
        """Append the result of the next image."""
        if frame.session_id not in self._id_offsets:
            self._id_offsets[frame.session_id] = self._highest_id
        self.frames.append(frame)
        ids = [self.unique_id(frame, track) for track in frame.tracks]
        self._highest_id = max([self._highest_id, *ids])

    def lives_s(self) -> list[float]:
        """Return how long each confirmed person was seen, from first to last, s."""
        spans: dict[int, tuple[int, int]] = {}
        for frame in self.frames:
            for track in frame.shown:
                number = self.unique_id(frame, track)
                first_ns, _ = spans.get(number, (frame.stamp_ns, 0))
                spans[number] = (first_ns, frame.stamp_ns)
        return [(last_ns - first_ns) * 1e-9 for first_ns, last_ns in spans.values()]

    def unique_id(self, frame: FrameRecord, track: Track) -> int:
        """Return an id that no other person of the run has, also when the tracker was reset.

        It is the track id itself in the first session; later sessions count on.

        Args:
            frame: of this recording.
            track: of the frame.
        """
        return self._id_offsets[frame.session_id] + track.track_id
