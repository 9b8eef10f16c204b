"""MSIM: its distances worked out by hand, the order of its stages, and scenes."""

import numpy as np
import pytest
from tracker_frames import SIZE, frame, look, person

from pose_tracking_ros.people import People, TrackState
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.simulation.scenes import make_scene
from pose_tracking_ros.simulation.truth import people_from_truth
from pose_tracking_ros.tracking import motion
from pose_tracking_ros.tracking.cues import Cues
from pose_tracking_ros.tracking.matching import NOBODY, match_people
from pose_tracking_ros.tracking.multi_stage import (
    StageLimits,
    fused_distance,
    fused_stage,
    look_stage,
    normalised_pose_distance,
)
from pose_tracking_ros.tracking.occlusion import judge_visibility
from pose_tracking_ros.tracking.strategies import STRATEGIES, MultiStage, Strategy
from pose_tracking_ros.tracking.track_arrays import TrackArrays
from pose_tracking_ros.tracking.tracker import Tracker

LIMITS = StageLimits()
SETTINGS = TrackerSettings()
MODEL = motion.MotionModel()
MSIM = STRATEGIES['msim']


class TestDistances:
    box = np.array([[100.0, 100.0, 200.0, 200.0]])
    joints = np.array([[[120.0, 120.0], [180.0, 120.0], [150.0, 150.0], [150.0, 190.0]]])
    seen = np.ones((1, 4), dtype=bool)

    def between(self, joints, seen=None, box=None) -> float:
        (distance,) = normalised_pose_distance(
            self.joints,
            self.seen,
            self.box,
            joints,
            self.seen if seen is None else seen,
            self.box if box is None else box,
            LIMITS,
        )
        return distance

    def test_the_same_pose_is_at_distance_0_wherever_and_however_large(self):
        assert self.between(self.joints) == 0
        assert self.between(3 * self.joints + 40, box=3 * self.box + 40) == pytest.approx(0)

    def test_worked_by_hand(self):
        # Two joints as they were, one off by 3 px of 100 (within 1/20), one by 10 px (beyond):
        # (2 + 2 + (1 + e^-0.09) + (0 + e^-1)) / 8 of the largest likeness.
        other = self.joints + np.array([[[0, 0], [0, 0], [3, 0], [0, 10]]])
        alike = 2 + 2 + (1 + np.exp(-0.09)) + np.exp(-1)
        assert self.between(other) == pytest.approx(1 - alike / 8)

    def test_a_joint_must_be_near_in_both_directions(self):
        # Eq. (17) asks for a box about the joint: 4 px right and 6 px down is outside.
        other = self.joints + np.array([[[0, 0], [0, 0], [0, 0], [4, 6]]])
        assert self.between(other) == pytest.approx(1 - (6 + np.exp(-0.52)) / 8)

    def test_a_wholly_different_pose_is_at_distance_1(self):
        assert self.between(self.joints + 90) == pytest.approx(1, abs=1e-6)

    def test_unseen_joints_do_not_count(self):
        other = self.joints.copy()
        other[0, 0] = np.nan
        seen = np.array([[False, True, True, True]])
        assert self.between(other, seen) == 0
        seen[0, 1] = False
        assert np.isnan(self.between(other, seen))

    def test_boxes_and_poses_add_up(self):
        iou, pose = np.array([[0.8, 0.8, 0.8]]), np.array([[0.0, 0.4, np.nan]])
        # An unknown pose is as different as the boxes are: 0.2 + 0.5 * 0.2.
        np.testing.assert_allclose(fused_distance(iou, pose, LIMITS), [[0.2, 0.4, 0.3]])

    def test_the_more_alike_two_poses_the_more_similar_the_pair(self):
        # As printed, Eq. (22) has it the other way round.
        pose = np.array([[0.1, 0.3]])
        fused = fused_distance(np.full((1, 2), 0.7), pose, LIMITS)
        alike, allowed = fused_stage(fused, 0.5, LIMITS)
        np.testing.assert_allclose(alike, [[1 - 0.35 / 1.5, 1 - 0.45 / 1.5]])
        assert allowed.all()

    def test_looks_are_compared_by_their_cosine(self):
        # Cosine 0.3 is at the paper's limit of 0.7, at a Euclidean distance of sqrt(1.4).
        distance = np.sqrt(np.array([[0.0, 1.39, 1.41, np.nan, 0.0]]))
        near = np.array([[True, True, True, True, False]])
        alike, allowed = look_stage(distance, near, LIMITS)
        assert allowed.tolist() == [[True, True, False, False, False]]
        np.testing.assert_allclose(alike[0, :3], [1, 1 - 1.39 / 4, 1 - 1.41 / 4])

    def test_nobody_to_compare(self):
        none = np.zeros((0, 3))
        assert fused_distance(none, none, LIMITS).shape == (0, 3)
        assert look_stage(none, none.astype(bool), LIMITS)[0].shape == (0, 3)


def tracks_of(before: People, dt_s: float = 0.1) -> TrackArrays:
    """Return confirmed tracks that began on `before`, predicted some time ahead."""
    which = np.arange(len(before))
    visibility = judge_visibility(before, SETTINGS)
    trusted = MSIM.trusts_appearance(visibility)
    tracks = TrackArrays.begin(before, visibility, which, trusted, 1, 0.0, MODEL)
    tracks.states[:] = TrackState.CONFIRMED
    tracks.moments = motion.predict(tracks.moments, dt_s, np.zeros(len(which), bool), MODEL)
    return tracks


def match(strategy: Strategy, before: People, now: People, **changes) -> list[int]:
    """Return each track's person."""
    tracks = tracks_of(before)
    options = {'is_missing': np.zeros(len(tracks), bool), 'settings': SETTINGS} | changes
    return match_people(
        tracks=tracks,
        people=now,
        visibility=judge_visibility(now, SETTINGS),
        unseen_s=np.full(len(tracks), 0.1),
        strategy=strategy,
        **options,
    ).person_of.tolist()


class Fixed(Strategy):
    """Stages with the given similarities; 0 is not allowed."""

    recovers_by_appearance = False

    def __init__(self, *stages: list[list[float]]) -> None:
        self._stages = [np.array(stage) for stage in stages]

    def compare(self, cues, settings):
        raise AssertionError('a strategy in stages is not asked for a single comparison')

    def stages(self, cues, settings):
        return [(stage, stage > 0) for stage in self._stages]

    def trusts_appearance(self, visibility):
        return np.zeros(len(visibility.visibility), dtype=bool)


class TestStagesInMatching:
    people = frame(person(100), person(300))

    def test_a_later_stage_takes_nobody_away_from_an_earlier_one(self):
        strategy = Fixed([[0.0, 0.1], [0, 0]], [[1, 0.9], [0.1, 1]])
        # In the first stage only 0-1 is possible; the second gets what remains, 1-0.
        assert match(strategy, self.people, self.people) == [1, 0]

    def test_who_is_left_over_by_all_stages_stays_alone(self):
        strategy = Fixed([[0.5, 0], [0, 0]], [[0.9, 0.9], [0.9, 0]])
        assert match(strategy, self.people, self.people) == [0, NOBODY]

    def test_weak_detections_come_after_all_stages_of_strong_ones(self):
        weak = frame(person(100, score=0.35), person(300))
        strategy = Fixed([[0.9, 0], [0, 0]], [[0, 0.5], [0, 0]])
        assert match(strategy, self.people, weak) == [1, NOBODY]

    def test_one_comparison_is_one_stage(self):
        class Single(Fixed):
            def compare(self, cues, settings):
                return self._stages[0], self._stages[0] > 0

            stages = Strategy.stages

        assert match(Single([[0.5, 0.9], [0.9, 0.5]]), self.people, self.people) == [1, 0]


def mixed(a: float) -> np.ndarray:
    """Return a look between those of persons 0 and 1, `a` of it 0's."""
    return (a * look(0) + (1 - a) * look(1)) / np.hypot(a, 1 - a)


class TestMsim:
    def test_looks_come_before_boxes(self):
        before = frame(person(100, embedding=look(0)), person(110, embedding=look(1)))
        now = frame(person(100, embedding=look(1)), person(110, embedding=look(0)))
        assert match(MSIM, before, now) == [1, 0]

    def test_boxes_decide_on_whom_looks_left(self):
        # Track 1 has no look. Person 0 is where both are, but belongs to track 0 by looks.
        before = frame(person(104, embedding=look(0)), person(100))
        now = frame(person(100, embedding=look(0)), person(106, embedding=look(1)))
        assert match(MSIM, before, now) == [0, 1]

    def test_an_entirely_other_look_is_no_obstacle_to_boxes(self):
        before = frame(person(100, embedding=look(0)))
        assert match(MSIM, before, frame(person(102, embedding=look(1)))) == [0]

    def test_poses_decide_between_equal_boxes(self):
        upright, mirrored = person(100), person(100)
        box = mirrored['boxes']
        mirrored['keypoints'] = box[:2] + box[2:] - mirrored['keypoints']
        before = frame(upright, mirrored)
        assert match(MSIM, before, frame(upright, mirrored)) == [0, 1]
        assert match(MSIM, before, frame(mirrored, upright)) == [1, 0]

    def test_looks_decide_nothing_out_of_reach(self):
        before = frame(person(100, embedding=look(0)))
        now = frame(person(400, embedding=look(0)), person(102, embedding=mixed(0.7)))
        assert match(MSIM, before, now) == [1]

    @pytest.mark.parametrize(
        ('shift', 'stage'),
        [
            # Boxes 40 px wide, no joints seen: M_f = 1.5 (1 - IoU), IoU = (40 - s) / (40 + s).
            (5, 1),  # 0.33
            (10, 2),  # 0.60
            (14, None),  # 0.78
        ],
    )
    def test_the_repeat_is_less_strict(self, shift, stage):
        before, now = frame(person(100, seen=0)), frame(person(100 + shift, seen=0))
        stages = MSIM.stages(cues_of(before, now), SETTINGS)
        first = next((i for i, (_, allowed) in enumerate(stages) if allowed.any()), None)
        assert first == stage
        assert match(MSIM, before, now) == [NOBODY if stage is None else 0]

    def test_an_old_pose_is_not_compared(self):
        box_alone, with_pose = (
            MSIM.stages(cues_of(*[frame(person(100))] * 2, unseen_s=unseen_s), SETTINGS)[1][0]
            for unseen_s in (0.6, 0.1)
        )
        # Equal boxes and equal poses are at distance 0 either way ...
        np.testing.assert_allclose([box_alone, with_pose], 1)
        other = person(100)
        other['keypoints'] = other['keypoints'][::-1]
        now = frame(other)
        old, recent = (
            MSIM.stages(cues_of(frame(person(100)), now, unseen_s=unseen_s), SETTINGS)[1][0]
            for unseen_s in (0.6, 0.1)
        )
        # ... unequal poses are not, unless they are old.
        assert old == pytest.approx(1)
        assert recent < 0.8

    def test_the_limits_are_those_given(self):
        strict = MultiStage(StageLimits(max_look_distance=0.05, relaxed_fused_distance=0.5))
        now = frame(person(110, embedding=mixed(0.7), seen=0))
        before = frame(person(100, embedding=look(0), seen=0))
        assert match(MSIM, before, now) == [0]
        assert match(strict, before, now) == [NOBODY]

    def test_the_least_similarity_of_the_settings_holds_too(self):
        before, now = frame(person(100, seen=0)), frame(person(110, seen=0))
        # Distance 0.6 of at most 1.5 is similarity 0.6.
        for least, found in ((0.59, [0]), (0.61, [NOBODY])):
            settings = TrackerSettings(min_similarity=least)
            assert match(MSIM, before, now, settings=settings) == found

    def test_people_without_poses_and_looks(self):
        bare = People(
            boxes=frame(person(100), person(300)).boxes,
            scores=[0.9, 0.9],
            keypoints=np.zeros((2, 0, 2)),
            keypoint_scores=np.zeros((2, 0)),
            embeddings=np.zeros((2, 0)),
            image_size=SIZE,
        )
        assert match(MSIM, bare, bare.select([1, 0])) == [1, 0]

    def test_one_comparison_takes_each_pair_from_its_first_stage(self):
        before = frame(person(100, embedding=look(0)), person(300, embedding=look(1)))
        now = frame(person(102, embedding=look(0)), person(302, embedding=look(2)))
        cues = cues_of(before, now)
        (by_looks, _), (fused, _), _ = MSIM.stages(cues, SETTINGS)
        alike, allowed = MSIM.compare(cues, SETTINGS)
        assert allowed.tolist() == [[True, False], [False, True]]
        np.testing.assert_allclose(np.diag(alike), [by_looks[0, 0], fused[1, 1]])


def cues_of(before: People, now: People, unseen_s: float = 0.1) -> Cues:
    return Cues(
        tracks=tracks_of(before),
        boxes=now.boxes.astype(np.float64),
        image_size=SIZE,
        keypoints=now.keypoints,
        embeddings=now.embeddings,
        visibility=judge_visibility(now, SETTINGS),
        unseen_s=np.full(len(before), unseen_s),
        is_missing=np.zeros(len(before), bool),
    )


def switches_in(name: str, strategy: str, seed: int = 0) -> int:
    """Return how often somebody, at least half of whom is seen, gets another track."""
    scene, tracker = (
        make_scene(name, seed, rate_hz=10.0),
        Tracker(TrackerSettings(strategy=strategy)),
    )
    rng = np.random.default_rng(seed)
    identity: dict[int, int] = {}
    switches = 0
    for index in range(scene.frame_count):
        truth = scene.truth(index)
        people = people_from_truth(truth, scene.image_size, rng)
        for track in tracker.update(people, truth.stamp_s):
            if not track.is_matched or track.state == TrackState.TENTATIVE:
                continue
            offset = np.linalg.norm(truth.keypoints - track.keypoints, axis=-1).mean(axis=-1)
            nearest = offset.argmin()
            if truth.visible_fraction[nearest] >= 0.5:
                who = int(truth.person_ids[nearest])
                switches += identity.get(who, track.track_id) != track.track_id
                identity[who] = track.track_id
    assert len(identity) > 1
    return switches


@pytest.mark.parametrize('name', ['crossing', 'full_occlusion', 'leave_and_return'])
def test_fewer_people_change_identity_than_by_position_alone(name):
    assert switches_in(name, 'msim') < switches_in(name, 'iou')
