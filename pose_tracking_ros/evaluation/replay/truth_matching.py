"""Find the truth of each image by its stamp."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from pose_tracking_ros.evaluation.replay.truth import GroundTruth, TruthFrame, TruthMatch


def match_truth(truth: GroundTruth, stamps_ns: Sequence[int], tolerance_ns: int = 0) -> TruthMatch:
    """Return the truth beside the images of a recording.

    Truth of the same stamp comes first. Images with equal stamps get the truth of that stamp in
    order, and share the last of it where there are fewer. With a tolerance, what is left over is
    then matched by the least distance in time, one to one.

    Args:
        truth: of the recording.
        stamps_ns: of its images, ns, in the order recorded; they need not be sorted.
        tolerance_ns: greatest distance in time, ns; half the interval between images is sensible
            for truth with a clock of its own.

    Raises:
        ValueError: the tolerance is negative.
    """
    if tolerance_ns < 0:
        raise ValueError(f'tolerance_ns: expected at least 0, got {tolerance_ns}')
    at_stamp: dict[int, list[int]] = defaultdict(list)
    for index, frame in enumerate(truth.frames):
        at_stamp[frame.stamp_ns].append(index)
    seen: dict[int, int] = defaultdict(int)
    chosen: list[int | None] = []
    for stamp_ns in stamps_ns:
        there = at_stamp.get(stamp_ns)
        chosen.append(there[min(seen[stamp_ns], len(there) - 1)] if there else None)
        seen[stamp_ns] += 1
    if tolerance_ns:
        _match_nearest(truth.frames, stamps_ns, tolerance_ns, chosen)
    used = set(chosen)
    return TruthMatch(
        truth=truth,
        frames=[None if index is None else truth.frames[index] for index in chosen],
        missing_ns=[s for s, index in zip(stamps_ns, chosen, strict=True) if index is None],
        extra_ns=[f.stamp_ns for index, f in enumerate(truth.frames) if index not in used],
    )


def _match_nearest(
    frames: Sequence[TruthFrame],
    stamps_ns: Sequence[int],
    tolerance_ns: int,
    chosen: list[int | None],
) -> None:
    """Match what is left over, closest pairs first, and write it to `chosen`."""
    used = set(chosen)
    free = sorted((f.stamp_ns, index) for index, f in enumerate(frames) if index not in used)
    pairs = []
    for image, stamp_ns in enumerate(stamps_ns):
        if chosen[image] is not None:
            continue
        place = bisect_left(free, (stamp_ns - tolerance_ns, -1))
        while place < len(free) and free[place][0] <= stamp_ns + tolerance_ns:
            pairs.append((abs(free[place][0] - stamp_ns), image, free[place][1]))
            place += 1
    taken: set[int] = set()
    for _, image, index in sorted(pairs):
        if chosen[image] is None and index not in taken:
            chosen[image] = index
            taken.add(index)
