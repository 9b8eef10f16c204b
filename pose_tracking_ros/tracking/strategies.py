"""How tracks and people are compared: the tracking strategies, by name.

`occlusion_aware` is FastPose's (arXiv 1908.05593 §3.3); `iou` and `reid` are the two it is
compared with in the paper's Table 1(c); `msim` is AlphaPose's. All answer the same question, so
the life of a track is the same whichever runs.

Each has its paper's numbers as defaults, in `TrackerSettings` or `StageLimits`, and says where it
deviates. What none of them takes from a paper is the rest of the tracker: matching is gated, best
in sum (Hungarian) and one to one; tracks are remembered for `max_lost_s` of image time instead of
a number of images; detections are split at `min_strong_score`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking import multi_stage, similarity
from pose_tracking_ros.tracking.association import has_repeats
from pose_tracking_ros.tracking.cues import LEAVING_SHARE, Cues
from pose_tracking_ros.tracking.occlusion import Visibility

# See `motion` for why these are arrays.
# Pairs whose grown boxes overlap less are not the same person, whatever they look like.
_MIN_GROWN_IOU = np.array(0.1)
# Two tracks contest a person, or two people a track, when both boxes fit at least this well.
_MIN_CONTEST_IOU = np.array(0.5)
# Tracks expected to lie beyond the image's border by more than this share are as good as gone.
_LEFT_SHARE = 0.5
# What a pose that cannot be compared counts as, so that it neither wins nor loses by that.
_UNKNOWN_POSE = 0.6
# How much the look of a partly hidden person counts among rivals, against that of one in view.
_DOUBTFUL_LOOK_WEIGHT = 0.5


def _with_looks(
    position: Float[np.ndarray, 'track person'],
    distance: Float[np.ndarray, 'track person'],
    settings: TrackerSettings,
) -> Float[np.ndarray, 'track person']:
    return similarity.fastpose_similarity(
        position,
        distance,
        settings.position_weight,
        settings.max_appearance_distance,
        settings.similarity_form,
    )


def _with_poses(
    position: Float[np.ndarray, 'track person'],
    pose: Float[np.ndarray, 'track person'],
    contested: Bool[np.ndarray, 'track person'],
) -> Float[np.ndarray, 'track person']:
    """Return the mean of box and pose similarity wherever rivals can be told apart by pose."""
    known = np.isfinite(pose)
    if not np.count_nonzero(known):
        return position
    rivals_known = known.any(axis=0)[None] | known.any(axis=1)[:, None]
    pose = np.where(known, pose, _UNKNOWN_POSE)
    return np.where(contested & rivals_known, 0.5 * (position + pose), position)


def _contested_pairs(
    grown_iou: Float[np.ndarray, 'track person'],
) -> Bool[np.ndarray, 'track person'] | None:
    """Return which boxes fit so well that they have rivals who fit as well; `None` if none do."""
    likely = grown_iou >= _MIN_CONTEST_IOU
    tracks, people = likely.nonzero()
    if not (has_repeats(tracks) or has_repeats(people)):
        return None
    contested: Bool[np.ndarray, 'track person']
    contested = likely & ((likely.sum(axis=0) > 1) | (likely.sum(axis=1) > 1)[:, None])
    return contested


@runtime_checkable
class Strategy(Protocol):
    """What a tracking strategy decides; strategies derive from it for what it does by default."""

    @property
    def recovers_by_appearance(self) -> bool:
        """Whether lost tracks are found again by looks alone, wherever they turn up."""

    def compare(
        self, cues: Cues, settings: TrackerSettings
    ) -> tuple[Float[np.ndarray, 'track person'], Bool[np.ndarray, 'track person']]:
        """Return the similarity of all pairs, in [0, 1], and which pairs may be matched."""

    def stages(
        self, cues: Cues, settings: TrackerSettings
    ) -> list[tuple[Float[np.ndarray, 'track person'], Bool[np.ndarray, 'track person']]]:
        """Return a comparison for each stage, each of which decides on whom the earlier left."""
        return [self.compare(cues, settings)]

    def trusts_appearance(self, visibility: Visibility) -> Bool[np.ndarray, 'person']:
        """Return whose embeddings, known ones, become part of their track's appearance."""


class OcclusionAware(Strategy):
    """Position, and looks where they can be trusted (FastPose §3.3), told apart by pose.

    The paper's numbers: gamma_valid = 0.2, theta_valid = 10 of 17 joints, theta_pos = 0.5.
    Deviations:

    - Eq. (2) adds a distance of looks where it must add a likeness: see `similarity_form`.
    - sigma_max is ours (1.0).
    - Position is not the IoU with the last box, but with the expected one, both grown by what is
      not known of the motion, times how much is known. That one number is also the gate.
    - Where boxes have rivals, OKS of expected and seen poses counts as much as the boxes, and a
      look that cannot be trusted counts half instead of nothing (docs/decisions/0004).
    - Somebody may also be hidden with most joints seen: when a nearer box covers more than
      `max_covered_share` of theirs.
    - Whoever was lost is recognised by looks anywhere; at the border an entirely other look
      decides against a match.
    """

    recovers_by_appearance = True

    def compare(
        self, cues: Cues, settings: TrackerSettings
    ) -> tuple[Float[np.ndarray, 'track person'], Bool[np.ndarray, 'track person']]:
        """Return the similarity of all pairs, in [0, 1], and which pairs may be matched."""
        position = cues.grown_iou
        allowed = position >= _MIN_GROWN_IOU
        contested = _contested_pairs(position)
        if contested is not None:
            position = _with_poses(position, cues.pose_similarity(contested), contested)
        position = position * cues.certainty
        distance = cues.valid_distance
        if any(cues.is_missing.tolist()):
            distance = np.where(cues.is_missing[:, None], cues.distance, distance)
        alike = _with_looks(position, distance, settings)
        allowed &= alike >= settings.min_similarity
        if contested is not None and distance is not cues.distance:
            # The look of somebody partly hidden is no measure by itself. But it is the same
            # mixture for all rivals, so it still tells whom it resembles more.
            doubtful = contested & np.isnan(distance) & np.isfinite(cues.distance)
            with_doubt = _with_looks(position, cues.distance, settings)
            doubt = 1.0 - _DOUBTFUL_LOOK_WEIGHT
            alike = np.where(doubtful, doubt * alike + (1.0 - doubt) * with_doubt, alike)
        # Where a missing person is expected is a guess, and at the border one may leave just where
        # another enters. There an entirely other look decides, even a doubtful one; and of whom
        # hardly anything is left in the image, a look that cannot be judged does not do.
        is_guess, outside_share = cues.is_missing, cues.outside_share
        if outside_share is not None:
            is_guess = is_guess | (outside_share > LEAVING_SHARE)
            is_recognisable = cues.tracks.has_embedding & (outside_share > _LEFT_SHARE)
            if any(is_recognisable.tolist()):
                allowed &= ~(is_recognisable[:, None] & np.isnan(cues.valid_distance))
        if any(is_guess.tolist()):
            someone_else = cues.distance >= settings.max_appearance_distance
            allowed &= ~(is_guess[:, None] & someone_else)
        return alike, allowed

    def trusts_appearance(self, visibility: Visibility) -> Bool[np.ndarray, 'person']:
        """Return whose embeddings become part of their track's appearance."""
        return visibility.appearance_is_valid


class Iou(Strategy):
    """Overlap with the last detection, nothing else: no motion, pose or appearance.

    Detect-and-Track (Girdhar et al., CVPR 2018; facebookresearch/DetectAndTrack at 9fe3540,
    `lib/core/tracking_engine.py`): the cost is 1 - IoU of boxes in consecutive images, assigned
    by the Hungarian method. Deviations:

    - There every assignment counts, boxes without overlap included. Ours must have an IoU of
      `min_similarity`.
    - There only the image before counts, so one miss ends a track. Ours compares with the last
      box of everybody in memory.
    - There weak detections are dropped before, by a threshold made for its Mask R-CNN (0.9 in the
      code's defaults). Ours starts tracks from `min_new_track_score` on.
    """

    recovers_by_appearance = False

    def compare(
        self, cues: Cues, settings: TrackerSettings
    ) -> tuple[Float[np.ndarray, 'track person'], Bool[np.ndarray, 'track person']]:
        """Return the similarity of all pairs, in [0, 1], and which pairs may be matched."""
        return cues.last_iou, cues.last_iou >= max(settings.min_similarity, 1e-6)

    def trusts_appearance(self, visibility: Visibility) -> Bool[np.ndarray, 'person']:
        """Return nobody: appearance plays no part."""
        return np.zeros(len(visibility.visibility), dtype=np.bool_)


class ReId(Strategy):
    """Looks alone within the reach of motion, whether occluded or not.

    What `occlusion_aware` is without its judgement of occlusion and with theta_pos = 0: every
    known look is compared and learnt, sigma_max is as there. Deviations: ours only looks within
    the reach of motion, where no look is known position decides, and whoever was lost is
    recognised by looks anywhere.
    """

    recovers_by_appearance = True

    def compare(
        self, cues: Cues, settings: TrackerSettings
    ) -> tuple[Float[np.ndarray, 'track person'], Bool[np.ndarray, 'track person']]:
        """Return the similarity of all pairs, in [0, 1], and which pairs may be matched."""
        alike = similarity.fastpose_similarity(
            cues.grown_iou * cues.certainty,
            cues.distance,
            0.0,
            settings.max_appearance_distance,
            settings.similarity_form,
        )
        near = cues.grown_iou >= _MIN_GROWN_IOU
        return alike, near & (alike >= settings.min_similarity)

    def trusts_appearance(self, visibility: Visibility) -> Bool[np.ndarray, 'person']:
        """Return everybody whose look is known."""
        return visibility.has_embedding


class MultiStage(Strategy):
    """AlphaPose's MSIM: looks, then boxes with poses, then these once more, less strictly.

    See `multi_stage` for the paper's numbers and where we deviate from it.
    """

    recovers_by_appearance = True

    def __init__(self, limits: multi_stage.StageLimits | None = None) -> None:
        self._limits = limits or multi_stage.StageLimits()

    def stages(
        self, cues: Cues, settings: TrackerSettings
    ) -> list[tuple[Float[np.ndarray, 'track person'], Bool[np.ndarray, 'track person']]]:
        """Return a comparison for each stage, each of which decides on whom the earlier left."""
        limits = self._limits
        near = cues.grown_iou >= _MIN_GROWN_IOU
        fused = self._fused_distance(cues)
        stages = [
            multi_stage.look_stage(cues.distance, near, limits),
            multi_stage.fused_stage(fused, limits.max_fused_distance, limits),
            multi_stage.fused_stage(fused, limits.relaxed_fused_distance, limits),
        ]
        return [(alike, allowed & (alike >= settings.min_similarity)) for alike, allowed in stages]

    def _fused_distance(self, cues: Cues) -> Float[np.ndarray, 'track person']:
        iou = similarity.pairwise_iou(cues.expected_boxes, cues.boxes)
        pose = np.full(iou.shape, np.nan)
        is_recent = (cues.unseen_s <= self._limits.max_pose_age_s)[:, None]
        # Boxes further apart are out of reach whatever the pose.
        close = 1.0 - iou <= self._limits.relaxed_fused_distance
        row, person = np.nonzero(close & is_recent)
        if len(row):
            pose[row, person] = multi_stage.normalised_pose_distance(
                cues.tracks.keypoints[row],
                cues.tracks.seen[row],
                cues.tracks.last_boxes[row],
                cues.keypoints[person],
                cues.visibility.seen[person],
                cues.boxes[person],
                self._limits,
            )
        return multi_stage.fused_distance(iou, pose, self._limits)

    def compare(
        self, cues: Cues, settings: TrackerSettings
    ) -> tuple[Float[np.ndarray, 'track person'], Bool[np.ndarray, 'track person']]:
        """Return the similarity of all pairs in the first stage that allows them, [0, 1].

        In one round this comes close to the stages, no more: the tracker goes by these.
        """
        *earlier, (alike, allowed) = self.stages(cues, settings)
        for alike_earlier, allowed_earlier in reversed(earlier):
            alike = np.where(allowed_earlier, alike_earlier, alike)
            allowed = allowed | allowed_earlier
        return alike, allowed

    def trusts_appearance(self, visibility: Visibility) -> Bool[np.ndarray, 'person']:
        """Return everybody whose look is known."""
        return visibility.has_embedding


STRATEGIES: dict[str, Strategy] = {
    'occlusion_aware': OcclusionAware(),
    'iou': Iou(),
    'reid': ReId(),
    'msim': MultiStage(),
}
