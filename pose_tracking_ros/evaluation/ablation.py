"""What occlusion awareness is worth: identity switches of the strategies on simulated scenes.

FastPose claims 37 % fewer switches for occlusion-aware Re-ID (arXiv 1908.05593, Table 1c). Here
the same detections go through each strategy, on six kinds of difficulty and many seeds. The
detections are made from the exact truth, with appearances that mix with those of whoever stands in
front, in proportion to how much is hidden; or they are the network's own, on the rendered images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from pose_tracking_ros.people import People, TrackState
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.simulation.scene import Scene
from pose_tracking_ros.simulation.scenes import make_scene
from pose_tracking_ros.simulation.truth import FrameTruth, people_from_truth
from pose_tracking_ros.tracking.similarity import pairwise_iou
from pose_tracking_ros.tracking.tracker import Tracker

FAMILIES = (
    'crossing',
    'queue',
    'group_turn',
    'full_occlusion',
    'leave_and_return',
    'look_alikes',
)
"""Scenes of the ablation; each is one family of difficulty."""

# Of a hand at the border nobody could tell whose it is: people seen less do not count.
_MIN_VISIBLE_SHARE = 0.5
# A detection is a person's when the boxes overlap at least this much.
_MIN_IOU = 0.4
# Joints tell who is who where boxes coincide; their mean distance counts relative to the height.
_JOINT_WEIGHT = 10.0

Detector = Callable[[Scene, int, FrameTruth], People]


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """One frame's detections and whose they are.

    Attributes:
        stamp_s: time of the frame, s.
        people: the detections.
        identities: the person each detection shows, 0 where it is nobody's or where less than
            half of the person is seen.
        in_view: how many people are seen well enough to count.
    """

    stamp_s: float
    people: People
    identities: Int[np.ndarray, 'person']
    in_view: int


@dataclass(frozen=True)
class Outcome:
    """How a strategy did on one scene.

    Attributes:
        switches: times that somebody's track was another than before.
        identified: sightings of people that had a confirmed track.
        in_view: sightings of people seen well enough to count.
    """

    switches: int
    identified: int
    in_view: int


def noisy_truth(seed: int) -> Detector:
    """Return a detector that reports the truth with noise; see `people_from_truth`."""
    rng = np.random.default_rng(seed)

    def detect(scene: Scene, index: int, truth: FrameTruth) -> People:
        return people_from_truth(truth, scene.image_size, rng, miss_rate=0.02)

    return detect


def label_frames(
    family: str, seed: int, rate_hz: float, detect: Detector, image_size: tuple[int, int]
) -> Iterator[LabelledFrame]:
    """Yield a scene's frames with detections and whose they are.

    Args:
        family: one of the scenes' names.
        seed: of the scene.
        rate_hz: frames per second.
        detect: called once per frame, in order.
        image_size: width and height, px.
    """
    scene = make_scene(family, seed, image_size=image_size, rate_hz=rate_hz)
    for index in range(scene.frame_count):
        truth = scene.truth(index)
        people = detect(scene, index, truth)
        owners = owners_of(people, truth)
        counts = truth.visible_fraction >= _MIN_VISIBLE_SHARE
        known = np.append(np.where(counts, truth.person_ids, 0), 0)
        yield LabelledFrame(truth.stamp_s, people, known[owners], int(counts.sum()))


def owners_of(people: People, truth: FrameTruth) -> Int[np.ndarray, 'person']:
    """Return the row of the truth that each detection shows, -1 for nobody.

    One to one, by the overlap of boxes less the mean distance of joints.
    """
    owners = np.full(len(people), -1)
    if len(people) == 0 or len(truth) == 0:
        return owners
    overlap = pairwise_iou(people.boxes.astype(np.float64), truth.boxes.astype(np.float64))
    likeness = overlap - _JOINT_WEIGHT * _joint_distances(people, truth)
    # Pairs outside of the gate must not displace others.
    likeness = np.where(overlap >= _MIN_IOU, likeness, -1e3)
    rows, columns = linear_sum_assignment(likeness, maximize=True)
    kept = overlap[rows, columns] >= _MIN_IOU
    owners[rows[kept]] = columns[kept]
    return owners


def _joint_distances(people: People, truth: FrameTruth) -> Float[np.ndarray, 'person actor']:
    """Return the mean distance of joints, relative to the person's height; 0 without joints."""
    heights = np.maximum(truth.boxes[:, 3] - truth.boxes[:, 1], 1.0)
    offsets = np.linalg.norm(people.keypoints[:, None] - truth.keypoints[None], axis=-1)
    known = np.isfinite(offsets)
    total = np.where(known, offsets, 0.0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
    distances: Float[np.ndarray, 'person actor'] = np.minimum(total / heights, 1.0)
    return distances


def follow(frames: Iterable[LabelledFrame], settings: TrackerSettings) -> Outcome:
    """Return how the tracker does on a scene's frames."""
    tracker = Tracker(settings)
    track_of: dict[int, int] = {}
    switches = identified = in_view = 0
    for frame in frames:
        in_view += frame.in_view
        # Matched tracks carry their detection's box as it is.
        shown = {
            box.tobytes(): int(who)
            for box, who in zip(frame.people.boxes, frame.identities, strict=True)
            if who
        }
        for track in tracker.update(frame.people, frame.stamp_s):
            if not track.is_matched or track.state == TrackState.TENTATIVE:
                continue
            who = shown.get(track.box.tobytes())
            if who is None:
                continue
            identified += 1
            switches += track_of.get(who, track.track_id) != track.track_id
            track_of[who] = track.track_id
    return Outcome(switches, identified, in_view)


def run_scene(
    family: str,
    seed: int,
    rate_hz: float,
    strategies: Sequence[str],
    detect: Detector | None = None,
    image_size: tuple[int, int] = (640, 480),
) -> dict[str, Outcome]:
    """Return each strategy's outcome on one scene, all on the same detections.

    Args:
        family: one of the scenes' names.
        seed: of the scene and of the noise.
        rate_hz: frames per second.
        strategies: names known to the tracker's settings.
        detect: where detections come from; None for the truth with noise.
        image_size: width and height, px.
    """
    source = noisy_truth(seed) if detect is None else detect
    frames = list(label_frames(family, seed, rate_hz, source, image_size))
    return {name: follow(frames, TrackerSettings(strategy=name)) for name in strategies}


def summary(outcomes: dict[str, dict[str, list[Outcome]]]) -> dict[str, float]:
    """Return the figures of all scenes under flat keys.

    `STRATEGY.FAMILY.switches_mean` and `_std` over seeds; over all families
    `STRATEGY.switches` in all, `.switches_per_seed_mean` and `_std`, `.identified` (share of
    sightings with an identity), and `.ratio`, the switches relative to those of `iou` (NaN if
    that has none).

    Args:
        outcomes: by strategy, by family, one per seed.
    """
    figures: dict[str, float] = {}
    totals: dict[str, int] = {}
    for strategy, families in outcomes.items():
        every = [outcome for runs in families.values() for outcome in runs]
        totals[strategy] = sum(outcome.switches for outcome in every)
        figures[f'{strategy}.switches'] = totals[strategy]
        # Seeds are the repetition: each sums the families.
        per_seed = np.array(
            [[outcome.switches for outcome in runs] for runs in families.values()]
        ).sum(axis=0)
        figures[f'{strategy}.switches_per_seed_mean'] = float(per_seed.mean())
        figures[f'{strategy}.switches_per_seed_std'] = float(per_seed.std())
        figures[f'{strategy}.identified'] = sum(outcome.identified for outcome in every) / max(
            sum(outcome.in_view for outcome in every), 1
        )
        for family, runs in families.items():
            counts = np.array([outcome.switches for outcome in runs], np.float64)
            figures[f'{strategy}.{family}.switches_mean'] = float(counts.mean())
            figures[f'{strategy}.{family}.switches_std'] = float(counts.std())
    if 'iou' in totals:
        for strategy, total in totals.items():
            ratio = total / totals['iou'] if totals['iou'] else float('nan')
            figures[f'{strategy}.ratio'] = ratio
    return figures
