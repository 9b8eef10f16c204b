"""The joint tables agree with each other and with COCO."""

import dataclasses

import numpy as np
import pytest

from pose_tracking_ros.skeleton import COCO_17, POSETRACK_15, SKELETONS, Skeleton


def test_coco_order():
    assert COCO_17.joints == (
        'nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear', 'left_shoulder',
        'right_shoulder', 'left_elbow', 'right_elbow', 'left_wrist', 'right_wrist', 'left_hip',
        'right_hip', 'left_knee', 'right_knee', 'left_ankle', 'right_ankle',
    )  # fmt: skip


def test_coco_sigmas_are_those_of_the_challenge():
    eye, ear, shoulder, elbow, wrist, hip, knee, ankle = (
        0.025, 0.035, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089,
    )  # fmt: skip
    expected = [0.026]
    for sigma in (eye, ear, shoulder, elbow, wrist, hip, knee, ankle):
        expected += [sigma, sigma]
    np.testing.assert_allclose(COCO_17.sigma_array, expected, rtol=1e-6)


def test_posetrack_order_is_cocos_without_eyes_and_ears():
    assert POSETRACK_15.joints[:3] == ('nose', 'head_bottom', 'head_top')
    assert POSETRACK_15.joints[3:] == COCO_17.joints[5:]
    assert POSETRACK_15.sigmas[3:] == COCO_17.sigmas[5:]
    limbs = {joint for limb in POSETRACK_15.limbs for joint in limb}
    assert limbs == set(POSETRACK_15.joints)


def test_posetrack_from_coco_lacks_the_head_alone():
    order = POSETRACK_15.order_from(COCO_17.joints)
    missing = [joint for joint, index in zip(POSETRACK_15.joints, order, strict=True) if index < 0]
    assert missing == ['head_bottom', 'head_top']
    assert [COCO_17.joints[index] for index in order[3:]] == list(POSETRACK_15.joints[3:])


@pytest.mark.parametrize('skeleton', SKELETONS.values(), ids=lambda skeleton: skeleton.name)
class TestEverySkeleton:
    def test_flipping_twice_changes_nothing(self, skeleton):
        order = skeleton.flip_order
        np.testing.assert_array_equal(order[order], np.arange(len(skeleton)))

    def test_flipping_exchanges_left_and_right_and_nothing_else(self, skeleton):
        for index, joint in enumerate(skeleton.joints):
            mirrored = skeleton.joints[skeleton.flip_order[index]]
            swapped = joint.replace('left_', '*').replace('right_', 'left_').replace('*', 'right_')
            assert mirrored == swapped

    def test_flipping_maps_limbs_to_limbs(self, skeleton):
        limbs = {frozenset(limb) for limb in skeleton.limb_indices.tolist()}
        flipped = {frozenset(skeleton.flip_order[list(limb)].tolist()) for limb in limbs}
        assert flipped == limbs

    def test_tables_have_one_entry_per_joint(self, skeleton):
        assert len(skeleton) == len(skeleton.joints) == len(skeleton.sigma_array)
        assert (skeleton.sigma_array > 0).all()
        assert ((skeleton.limb_indices >= 0) & (skeleton.limb_indices < len(skeleton))).all()

    def test_its_own_order_is_the_identity(self, skeleton):
        np.testing.assert_array_equal(
            skeleton.order_from(skeleton.joints), np.arange(len(skeleton))
        )


def test_order_from_another_list_of_joints():
    other = ('head_top', 'right_wrist', 'nose')
    order = COCO_17.order_from(other)
    assert order[COCO_17.index('nose')] == 2
    assert order[COCO_17.index('right_wrist')] == 1
    assert (order >= 0).sum() == 2


def test_an_unknown_joint_is_named_with_the_known_ones():
    with pytest.raises(KeyError, match=r'no joint .*tail.*left_ankle'):
        COCO_17.index('tail')


@pytest.mark.parametrize(
    ('change', 'error', 'message'),
    [
        ({'joints': ('a', 'a')}, ValueError, 'unique'),
        ({'sigmas': (0.1,)}, ValueError, 'expected 2 sigmas, got 1'),
        ({'limbs': (('a', 'c'),)}, KeyError, "no joint 'c'"),
        ({'flip_pairs': (('a', 'c'),)}, KeyError, "no joint 'c'"),
    ],
)
def test_tables_that_disagree_are_refused(change, error, message):
    sound = Skeleton('two', ('a', 'b'), (('a', 'b'),), (('a', 'b'),), (0.1, 0.1))
    with pytest.raises(error, match=message):
        dataclasses.replace(sound, **change)


def test_likeness_is_the_term_of_oks() -> None:
    points = np.full((2, 17, 2), 50.0)
    others = points.copy()
    others[0, COCO_17.index('nose')] += (3.0, 4.0)
    others[1, COCO_17.index('left_hip'), 0] = np.nan
    likeness = COCO_17.likeness(points, others, np.array([400.0, 400.0]))
    # d² = 25, s² = 400, k = 2 * 0.026.
    expected = np.exp(-25 / (2 * 400 * 0.052**2))
    assert likeness[0, COCO_17.index('nose')] == pytest.approx(expected, rel=1e-6)
    assert np.isnan(likeness[1, COCO_17.index('left_hip')])
    assert np.nansum(likeness) == pytest.approx(32 + expected, rel=1e-6)
    assert COCO_17.likeness(points[0], points[0], 1.0).tolist() == [1.0] * 17
    assert COCO_17.likeness(points[:0], points[:0], np.zeros(0)).shape == (0, 17)
