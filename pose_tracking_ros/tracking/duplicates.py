"""Two tracks on one body: found when they agree in box, pose and look for a while.

Detectors find some people twice, and a track that starts on the second box lives on it. Two people
never share nearly one box and one pose for long; hidden people have no detection and are never
taken for duplicates.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.occlusion import Visibility
from pose_tracking_ros.tracking.similarity import (
    box_areas,
    object_keypoint_similarity,
    pairwise_iou,
    sigmas_for,
)
from pose_tracking_ros.tracking.track_arrays import TrackArrays

# Poses of one body found twice are within what people who label them agree on.
_MIN_POSE_SIMILARITY = 0.7


class DuplicateFinder:
    """Watches pairs of tracks from image to image. Stamps must not go back."""

    def __init__(self) -> None:
        self._since_s: dict[tuple[int, int], float] = {}

    def find(
        self,
        tracks: TrackArrays,
        person_of: Int[np.ndarray, 'track'],
        visibility: Visibility,
        stamp_s: float,
        settings: TrackerSettings,
    ) -> list[int]:
        """Return the rows of the tracks to be given up: the younger of each pair.

        Args:
            tracks: with this image's detections.
            person_of: for each track the index of its person; below 0 where it has none.
            visibility: of these people.
            stamp_s: time of the image, s.
            settings: how alike, and for how long.
        """
        covered = visibility.covered
        # Boxes with such an IoU cover each other by at least that share. (Only if neither is lower
        # in the image or larger, to the last digit, is there no such pair.)
        if max(covered.share.tolist(), default=0.0) < settings.min_duplicate_iou:
            self._since_s.clear()
            return []
        track_of = {person: row for row, person in enumerate(person_of.tolist()) if person >= 0}
        pairs = [
            sorted((track_of[behind], track_of[front]))
            for behind, front, share in covered.as_tuples()
            if share >= settings.min_duplicate_iou and behind in track_of and front in track_of
        ]
        since_s: dict[tuple[int, int], float] = {}
        given_up = []
        for older, younger in pairs:
            if not _is_one_body(tracks, older, younger, settings):
                continue
            key = (int(tracks.ids[older]), int(tracks.ids[younger]))
            since_s[key] = self._since_s.get(key, stamp_s)
            if stamp_s - since_s[key] >= settings.merge_after_s:
                given_up.append(younger)
        self._since_s = since_s
        return given_up


def _is_one_body(tracks: TrackArrays, a: int, b: int, settings: TrackerSettings) -> bool:
    boxes = tracks.last_boxes[[a, b]]
    if pairwise_iou(boxes[:1], boxes[1:])[0, 0] < settings.min_duplicate_iou:
        return False
    pose = object_keypoint_similarity(
        tracks.keypoints[[a]],
        tracks.seen[[a]],
        box_areas(boxes[:1]),
        tracks.keypoints[[b]],
        tracks.seen[[b]],
        sigmas_for(tracks.keypoints.shape[1]),
    )[0]
    # Written so that poses that cannot be compared do not count against it.
    if pose < _MIN_POSE_SIMILARITY:
        return False
    if not (tracks.has_embedding[a] and tracks.has_embedding[b]):
        return True
    distance = float(np.linalg.norm(tracks.embeddings[a] - tracks.embeddings[b]))
    return distance < settings.max_recovery_distance
