"""What each strategy makes of the same two tracks and two people."""

import numpy as np
import pytest

from pose_tracking_ros.people import People
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking import motion
from pose_tracking_ros.tracking.association import assign
from pose_tracking_ros.tracking.cues import Cues
from pose_tracking_ros.tracking.multi_stage import StageLimits
from pose_tracking_ros.tracking.occlusion import judge_visibility
from pose_tracking_ros.tracking.strategies import STRATEGIES
from pose_tracking_ros.tracking.track_arrays import TrackArrays

SIZE = (640, 480)
SETTINGS = TrackerSettings()
MODEL = motion.MotionModel()
JOINTS = np.random.default_rng(0).uniform(0.05, 0.95, (17, 2))
A, B, NOBODY = np.array([1.0, 0, 0, 0]), np.array([0, 1.0, 0, 0]), np.zeros(4)


def mixed(a: float) -> np.ndarray:
    """Return a look between A's and B's, `a` of it A's."""
    return (a * A + (1 - a) * B) / np.hypot(a, 1 - a)


def scene(*people: tuple) -> People:
    """Return people given as (x, look) or (x, look, seen joints) or (..., mirrored pose)."""
    x = np.array([float(person[0]) for person in people])
    seen = np.array([person[2] if len(person) > 2 else 17 for person in people])
    mirrored = np.array([len(person) > 3 and person[3] for person in people])
    boxes = np.stack([x - 20, np.full(len(x), 150.0), x + 20, np.full(len(x), 250.0)], axis=1)
    joints = np.where(mirrored[:, None, None], 1 - JOINTS, JOINTS)
    return People(
        boxes=np.clip(boxes, 0, [*SIZE, *SIZE]),
        scores=np.full(len(x), 0.9),
        keypoints=boxes[:, None, :2] + joints * [40, 100],
        keypoint_scores=np.where(np.arange(17) < seen[:, None], 0.9, 0.05),
        embeddings=np.stack([person[1] for person in people]),
        image_size=SIZE,
    )


def cues_of(before: People, now: People, *, dt_s: float = 0.1, unseen_s: float = 0.1) -> Cues:
    """Return the cues for tracks that were settled on `before`, when `now` is seen."""
    visibility = judge_visibility(before, SETTINGS)
    which = np.arange(len(before))
    trusted = visibility.appearance_is_valid
    tracks = TrackArrays.begin(before, visibility, which, trusted, 1, 0.0, MODEL)
    standing = np.zeros(len(before), dtype=bool)
    # Some seconds of standing still, until the velocity is known.
    for _ in range(30):
        tracks.moments = motion.predict(tracks.moments, 0.1, standing, MODEL)
        tracks.moments = motion.correct(
            tracks.moments, before.boxes.astype(np.float64), np.ones(len(before)), MODEL
        )
    tracks.moments = motion.predict(tracks.moments, dt_s, standing, MODEL)
    return Cues(
        tracks=tracks,
        boxes=now.boxes.astype(np.float64),
        image_size=SIZE,
        keypoints=now.keypoints,
        embeddings=now.embeddings,
        visibility=judge_visibility(now, SETTINGS),
        unseen_s=np.full(len(before), unseen_s),
        is_missing=np.full(len(before), unseen_s > SETTINGS.lost_after_s),
    )


def decide(strategy: str, cues: Cues) -> dict[int, int]:
    found = assign(*STRATEGIES[strategy].compare(cues, SETTINGS))
    return dict(zip(found.tracks.tolist(), found.people.tolist(), strict=True))


@pytest.mark.parametrize('strategy', STRATEGIES)
def test_people_who_stand_still_keep_their_tracks(strategy):
    people = scene((100, A), (300, B))
    assert decide(strategy, cues_of(people, people)) == {0: 0, 1: 1}


@pytest.mark.parametrize('strategy', STRATEGIES)
def test_nobody_is_matched_across_the_image_and_similarities_are_shares(strategy):
    cues = cues_of(scene((100, A)), scene((500, A), (101, A)))
    similarity, allowed = STRATEGIES[strategy].compare(cues, SETTINGS)
    assert allowed.tolist() == [[False, True]]
    assert ((similarity >= 0) & (similarity <= 1)).all()


class TestOcclusionAware:
    def test_looks_decide_between_people_close_together(self):
        before = scene((100, A), (112, B))
        assert decide('occlusion_aware', cues_of(before, scene((112, A), (100, B)))) == {
            0: 0,
            1: 1,
        }
        assert decide('iou', cues_of(before, scene((112, A), (100, B)))) == {0: 1, 1: 0}

    def test_poses_decide_where_looks_are_unknown(self):
        before = scene((100, NOBODY), (106, NOBODY, 17, True))
        now = scene((101, NOBODY, 17, True), (105, NOBODY))
        assert decide('occlusion_aware', cues_of(before, now)) == {0: 1, 1: 0}

    def test_the_pose_of_long_ago_does_not_decide(self):
        before = scene((100, NOBODY), (106, NOBODY, 17, True))
        now = scene((106, NOBODY), (100, NOBODY, 17, True))
        assert decide('occlusion_aware', cues_of(before, now, unseen_s=0.6)) == {0: 1, 1: 0}

    def test_a_hidden_rival_does_not_win_by_position_alone(self):
        # The hidden one stands exactly where A was, the recognised one a little aside.
        now = scene((100, mixed(0.2), 6), (107, mixed(0.7)))
        assert decide('occlusion_aware', cues_of(scene((100, A)), now)) == {0: 1}

    def test_a_hidden_look_does_not_count_without_rivals(self):
        alone = scene((103, B, 6))
        cues = cues_of(scene((100, A)), alone)
        similarity, allowed = STRATEGIES['occlusion_aware'].compare(cues, SETTINGS)
        np.testing.assert_allclose(similarity, cues.grown_iou * cues.certainty)
        assert allowed.all()

    def test_the_similarity_of_a_recognised_person_is_the_papers(self):
        cues = cues_of(scene((100, A)), scene((103, mixed(0.8))))
        similarity, _ = STRATEGIES['occlusion_aware'].compare(cues, SETTINGS)
        distance = np.linalg.norm(A - mixed(0.8))
        expected = 0.5 * cues.grown_iou * cues.certainty + 0.5 * (1 - distance)
        np.testing.assert_allclose(similarity, expected, rtol=1e-5)

    def test_a_missing_person_is_not_replaced_by_one_who_looks_entirely_different(self):
        for seen in (17, 6):
            cues = cues_of(scene((100, A)), scene((100, B, seen)), unseen_s=0.6)
            assert decide('occlusion_aware', cues) == {}
        cues = cues_of(scene((100, A)), scene((100, mixed(0.7), 6)), unseen_s=0.6)
        assert decide('occlusion_aware', cues) == {0: 0}

    def test_who_has_all_but_left_is_not_continued_by_a_look_that_cannot_be_judged(self):
        before = scene((632, A))
        cues = cues_of(before, scene((632, A, 6)))
        # The track is of somebody who walks out: it expects most of the body beyond the border.
        cues.tracks.moments[:, motion.POSITION, 0] = 645.0
        cues.tracks.moments[:, motion.POSITION, 2] = 40.0
        assert decide('occlusion_aware', cues) == {}
        cues = cues_of(before, scene((632, A)))
        cues.tracks.moments[:, motion.POSITION, 0] = 645.0
        assert decide('occlusion_aware', cues) == {0: 0}


def test_iou_goes_by_the_last_box_and_nothing_else():
    cues = cues_of(scene((100, A)), scene((105, B, 3)))
    similarity, _ = STRATEGIES['iou'].compare(cues, SETTINGS)
    np.testing.assert_allclose(similarity, [[35 / 45]])
    assert not STRATEGIES['iou'].trusts_appearance(cues.visibility).any()


def test_reid_goes_by_looks_even_of_hidden_people():
    cues = cues_of(scene((100, A)), scene((100, B, 3), (106, mixed(0.9), 3)))
    assert decide('reid', cues) == {0: 1}
    assert STRATEGIES['reid'].trusts_appearance(cues.visibility).all()
    assert not STRATEGIES['occlusion_aware'].trusts_appearance(cues.visibility).any()


@pytest.mark.parametrize('strategy', ['occlusion_aware', 'reid'])
def test_the_gate_reaches_further_after_a_longer_time(strategy):
    now = scene((135, NOBODY))
    assert decide(strategy, cues_of(scene((100, NOBODY)), now, dt_s=0.05)) == {}
    assert decide(strategy, cues_of(scene((100, NOBODY)), now, dt_s=0.6)) == {0: 0}


@pytest.mark.parametrize('name', ['occlusion_aware', 'reid'])
def test_the_printed_form_prefers_unlike_looks(name: str) -> None:
    now = scene((100, A), (108, B))
    cues = cues_of(scene((104, A)), now)
    corrected, _ = STRATEGIES[name].compare(cues, SETTINGS)
    literal, _ = STRATEGIES[name].compare(cues, TrackerSettings(similarity_form='literal'))
    assert corrected[0, 0] > corrected[0, 1]
    assert literal[0, 0] < literal[0, 1]


@pytest.mark.parametrize('strategy', STRATEGIES)
def test_only_known_looks_are_ever_trusted(strategy):
    visibility = judge_visibility(scene((100, A), (300, NOBODY)), SETTINGS)
    trusted = STRATEGIES[strategy].trusts_appearance(visibility)
    assert trusted.tolist() == [strategy != 'iou', False]


@pytest.mark.parametrize(
    ('x', 'share'), [(100, None), (24, None), (12, None), (9, 0.275), (0, 0.5)]
)
def test_how_far_somebody_has_left_is_told_from_a_quarter_on(x, share):
    people = scene((100, A))
    cues = cues_of(people, people)
    # The box is 40 px wide: at 20 px it begins to reach beyond the border.
    cues.tracks.moments[:, motion.POSITION, 0] = x
    if share is None:
        assert cues.outside_share is None
    else:
        np.testing.assert_allclose(cues.outside_share, [share])


def test_the_papers_numbers_are_the_defaults():
    fastpose = TrackerSettings()
    assert (fastpose.min_keypoint_score, fastpose.min_valid_keypoints) == (0.2, 10)
    assert fastpose.position_weight == 0.5
    alphapose = StageLimits()
    assert (alphapose.max_look_distance, alphapose.max_fused_distance) == (0.7, 0.5)
    assert alphapose.joint_reach == 0.1
