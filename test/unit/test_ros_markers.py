"""What markers look like: hidden joints, fading, trails, and that nothing stays behind."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('visualization_msgs.msg', reason='ROS 2 is not there: run make setup')

from rclpy.serialization import deserialize_message
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from pose_tracking_ros.people import KeypointState, PoseInSpace, Track, TrackState
from pose_tracking_ros.ros.marker_array import MarkerView
from pose_tracking_ros.ros.markers import MarkerWriter, PixelPlane
from pose_tracking_ros.ros.markers_3d import SpaceMarkerWriter
from pose_tracking_ros.settings import NodeSettings
from pose_tracking_ros.skeleton import COCO_17

JOINTS = len(COCO_17)
# A pixel is a metre wide and the axis goes through (0, 0): x and y of markers are pixels.
PLANE = PixelPlane(1.0, (0.0, 0.0), 100.0)
WRIST, ELBOW = COCO_17.index('left_wrist'), COCO_17.index('left_elbow')


def track(track_id=1, *, x=0.0, hidden=(), how=KeypointState.OCCLUDED, place=None, **changes):
    """Somebody whose joints stand in a column at x, and maybe at a place in space."""
    states = np.full(JOINTS, KeypointState.VISIBLE)
    states[list(hidden)] = how
    fields = {
        'track_id': track_id,
        'state': TrackState.CONFIRMED,
        'is_matched': True,
        'box': np.array([x - 10, 0, x + 10, 90], np.float32),
        'score': 0.9,
        'visibility': 1.0,
        'velocity': np.zeros(2, np.float32),
        'keypoints': np.column_stack([np.full(JOINTS, x), 5.0 * np.arange(JOINTS)]),
        'keypoint_scores': np.full(JOINTS, 0.9, np.float32),
        'keypoint_states': states,
        'embedding': np.zeros(0, np.float32),
        'age_s': 1.0,
        'time_since_update_s': 0.0,
    }
    if place is not None:
        joints = np.asarray(place) + np.column_stack([np.zeros((JOINTS, 2)), np.arange(JOINTS)])
        joints[list(hidden)] = np.nan
        fields['in_space'] = PoseInSpace(
            joints, np.zeros((JOINTS, 3, 3)), np.array(place, float), np.full(3, np.nan)
        )
    return Track(**{**fields, **changes})


def unseen(track_id=1, since_s=0.5, **changes):
    """A track without a detection, and so without a place in space."""
    nowhere = PoseInSpace(
        np.full((JOINTS, 3), np.nan), np.full((JOINTS, 3, 3), np.nan), np.full(3, np.nan),
        np.full(3, np.nan),
    )  # fmt: skip
    fields = {'is_matched': False, 'time_since_update_s': since_s, 'in_space': nowhere}
    return track(
        track_id, hidden=range(JOINTS), how=KeypointState.PREDICTED, **{**fields, **changes}
    )


class Viewer:
    """Shows arrays as RViz does: a marker stays until it is replaced or deleted."""

    def __init__(self, writer, **arguments):
        self.writer = writer
        self.arguments = {'header': Header(frame_id='camera'), **arguments}
        self.shown = {}
        self.actions = []

    def see(self, *tracks, stamp_s=0.0, session_id=1, trail_s=0.0):
        view = MarkerView(stamp_s, session_id, trail_s, lifetime_s=1.25)
        array = deserialize_message(
            self.writer.write(tracks, view=view, **self.arguments), MarkerArray
        )
        self.actions = [marker.action for marker in array.markers]
        for marker in array.markers:
            if marker.action == Marker.ADD:
                assert marker.points or marker.text
                assert len(marker.points) == len(marker.colors)
                assert marker.type != Marker.LINE_LIST or len(marker.points) % 2 == 0
                self.shown[marker.ns, marker.id] = marker
            else:
                del self.shown[marker.ns, marker.id]
        return {name: marker for (name, _), marker in self.shown.items()}

    def strengths(self, name):
        return {round(c.a, 3) for n, m in self.shown.items() if n[0] == name for c in m.colors}


@pytest.fixture
def flat():
    return Viewer(MarkerWriter(COCO_17), plane=PLANE)


@pytest.fixture
def space():
    return Viewer(SpaceMarkerWriter(COCO_17))


def places(marker):
    return np.array([[p.x, p.y, p.z] for p in marker.points])


def lengths(marker):
    ends = places(marker).reshape(-1, 2, 3)
    return np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)


@pytest.mark.parametrize('how', [KeypointState.OCCLUDED, KeypointState.PREDICTED])
def test_hidden_joints_are_hollow_and_their_limbs_dashed(flat, how):
    shown = flat.see(track(hidden=[WRIST], how=how))
    assert len(shown['joints'].points) == JOINTS - 1
    assert len(shown['limbs'].points) == 2 * (len(COCO_17.limbs) - 1)
    # Three dashes of the limb to the elbow, and a square around the wrist.
    assert len(shown['hidden'].points) == 2 * 3 + 8
    dashes, square = np.split(lengths(shown['hidden']), [3])
    limb_px = 5.0 * (WRIST - ELBOW)
    np.testing.assert_allclose(dashes, limb_px / 5, rtol=1e-5)
    assert np.ptp(square) < 1e-6
    assert square[0] > 2
    middle = places(shown['hidden'])[6:].mean(axis=0)
    np.testing.assert_allclose(middle[:2], [0, 5.0 * WRIST], atol=1e-5)
    # Dimmed and thinner than what is seen.
    assert flat.strengths('hidden') == {0.65}
    assert flat.strengths('joints') == flat.strengths('limbs') == {1.0}
    assert shown['hidden'].scale.x < shown['limbs'].scale.x


def test_an_occluded_track_has_a_dashed_box(flat):
    solid = flat.see(track())
    assert len(solid['boxes'].points) == 8
    assert 'hidden' not in solid
    dashed = flat.see(track(state=TrackState.OCCLUDED))
    assert 'boxes' not in dashed
    assert len(dashed['hidden'].points) == 4 * 6 * 2


def test_who_is_lost_fades_and_is_gone(flat):
    flat.see(track())
    seen = []
    for since_s in (0.0, 0.5, 1.0, 1.9):
        shown = flat.see(unseen(since_s=since_s, state=TrackState.LOST))
        assert 'joints' not in shown
        assert 'limbs' not in shown
        (strength,) = flat.strengths('hidden')
        seen.append(strength)
        assert shown['ids'].color.a == pytest.approx(strength, abs=1e-3)
    assert seen == [1.0, 0.75, 0.5, 0.05]
    assert flat.see(unseen(since_s=2.0, state=TrackState.LOST)) == {}
    assert flat.actions.count(Marker.DELETE) == 2
    # And stays gone, without a word.
    flat.see(unseen(since_s=2.1, state=TrackState.LOST))
    assert flat.actions == []


def test_who_is_hidden_fades_but_never_wholly(flat):
    strengths = []
    for since_s in (0.2, 5.0):
        flat.see(unseen(since_s=since_s, state=TrackState.OCCLUDED))
        strengths.append(max(flat.strengths('hidden')))
    assert strengths == [0.9, 0.35]


def test_ids_stay_and_nothing_is_deleted_while_people_stay(flat, space):
    for viewer in (flat, space):
        names = None
        for number in range(5):
            viewer.see(
                *(track(i, x=30.0 * i + number, place=(i, 0, 3)) for i in (1, 2)),
                stamp_s=number / 10,
            )
            assert set(viewer.actions) == {Marker.ADD}
            assert names in (None, set(viewer.shown))
            names = set(viewer.shown)
        # Lists, not a marker per joint.
        assert len(names) <= 6


@pytest.mark.parametrize('kind', ['flat', 'space'])
def test_nobody_leaves_a_ghost(kind, request):
    viewer = request.getfixturevalue(kind)
    viewer.see(
        track(1, hidden=[WRIST], place=(0, 0, 3)), track(2, place=(1, 0, 3)),
        trail_s=2.0,
    )  # fmt: skip
    viewer.see(track(2, x=40, place=(1.5, 0, 3)), stamp_s=0.1, trail_s=2.0)
    assert {number for name, number in viewer.shown if name == 'ids'} == {2}
    assert viewer.see(stamp_s=0.2, trail_s=2.0) == {}


@pytest.mark.parametrize('kind', ['flat', 'space'])
def test_a_new_session_shows_nothing_of_the_one_before(kind, request):
    viewer = request.getfixturevalue(kind)
    for number in range(4):
        viewer.see(
            track(1, x=10.0 * number, hidden=[WRIST] if number == 3 else [], place=(number, 0, 3)),
            track(2, place=(9, 9, 9)),
            stamp_s=number / 10, trail_s=2.0,
        )  # fmt: skip
    assert 'trails' in {name for name, _ in viewer.shown}
    # Number 1 is somebody else now, elsewhere.
    shown = viewer.see(
        track(1, x=500, hidden=[WRIST], place=(50, 0, 3)), stamp_s=0.5, session_id=2, trail_s=2.0
    )
    assert {number for name, number in viewer.shown if name == 'ids'} == {1}
    assert 'trails' not in shown
    for marker in shown.values():
        for point in marker.points:
            assert point.x > 40


@pytest.mark.parametrize('kind', ['flat', 'space'])
def test_viewers_drop_what_is_not_sent_again(kind, request):
    viewer = request.getfixturevalue(kind)
    viewer.see(track(hidden=[WRIST], place=(0, 0, 3)))
    for marker in viewer.shown.values():
        assert (marker.lifetime.sec, marker.lifetime.nanosec) == (1, 250_000_000)


def test_markers_live_longer_than_the_time_between_two_arrays():
    settings = NodeSettings(marker_lifetime_s=3.0, max_markers_hz=15.0, trail_s=1.5)
    assert MarkerView.of(settings, 7.0, 4) == MarkerView(7.0, 4, 1.5, 3.0)
    slow = replace(settings, max_markers_hz=0.5)
    assert MarkerView.of(slow, 7.0, 4).lifetime_s == 4.0
    assert MarkerView.of(replace(slow, marker_lifetime_s=0.0), 7.0, 4).lifetime_s == 0.0


def test_trails_follow_the_feet_and_fade_towards_the_past(flat):
    for number in range(11):
        shown = flat.see(
            track(1, x=10.0 * number), track(2, x=-5.0 * number),
            stamp_s=number / 10, trail_s=1.0,
        )  # fmt: skip
    points = places(shown['trails']) / 1.001
    strengths = np.array([colour.a for colour in shown['trails'].colors])
    # Behind what is drawn at the plane, seen from the camera in the same pixel.
    assert (places(shown['trails'])[:, 2] > PLANE.depth_m).all()
    np.testing.assert_allclose(points[:, 1], 90, rtol=1e-5)
    first = points[:, 0] >= 0
    np.testing.assert_allclose(points[first, 0], 100 * strengths[first], atol=1e-3)
    assert points[first, 0].max() == pytest.approx(100)
    assert points[:, 0].min() == pytest.approx(-50)
    # Twice as much later all of it is new.
    for number in range(11, 31):
        shown = flat.see(track(1, x=10.0 * number), stamp_s=number / 10, trail_s=1.0)
    assert places(shown['trails'])[:, 0].min() / 1.001 >= 200 - 1e-3
    assert 'trails' not in flat.see(track(1, x=400), stamp_s=3.1, trail_s=0.0)


def test_trails_do_not_grow_with_the_rate_of_images(flat):
    for number in range(100):
        shown = flat.see(track(1, x=float(number)), stamp_s=number / 50, trail_s=1.0)
    assert 20 < len(shown['trails'].points) <= 2 * 18
    assert places(shown['trails'])[:, 0].max() / 1.001 == pytest.approx(99)


def test_a_trail_has_no_points_that_were_only_predicted(flat):
    flat.see(track(1, x=0), stamp_s=0.0, trail_s=2.0)
    flat.see(track(1, x=10), stamp_s=0.2, trail_s=2.0)
    wrong = unseen(1, since_s=0.2, x=300.0)
    shown = flat.see(wrong, stamp_s=0.4, trail_s=2.0)
    assert places(shown['trails'])[:, 0].max() < 11


def test_trails_in_space_join_the_middles_of_the_hips(space):
    hips = [COCO_17.index('left_hip'), COCO_17.index('right_hip')]
    for number in range(5):
        one = track(1, hidden=hips[:1] if number > 2 else [], place=(0.1 * number, 1, 3))
        # Another mean, of the joints that are left, is no motion.
        one.in_space.position_m[2] += 5.0 * (number > 2)
        shown = space.see(one, stamp_s=number / 2, trail_s=2.0)
    ends = places(shown['trails'])
    np.testing.assert_allclose(ends[0], [0, 1, 3 + np.mean(hips)])
    np.testing.assert_allclose(ends[-1], [0.4, 1, 3 + np.mean(hips)])
    assert [round(c.a, 2) for c in shown['trails'].colors][::2] == [0, 0.25, 0.5, 0.75]


def test_a_joint_hidden_in_space_stays_where_it_was_about_the_body(space):
    space.see(track(1, place=(0, 0, 3)), stamp_s=0.0)
    shown = space.see(track(1, hidden=[WRIST], place=(1, 0, 3)), stamp_s=0.5)
    assert len(shown['joints'].points) == JOINTS - 1
    # Three dashes and a cross.
    assert len(shown['hidden'].points) == 2 * 3 + 6
    middle = places(shown['hidden'])[6:].mean(axis=0)
    np.testing.assert_allclose(middle, [1, 0, 3 + WRIST], atol=1e-5)
    assert space.strengths('hidden') == {0.65}
    # Not for ever: an arm moves.
    shown = space.see(track(1, hidden=[WRIST], place=(1, 0, 3)), stamp_s=1.6)
    assert 'hidden' not in shown


def test_who_vanishes_in_space_stays_and_fades(space):
    space.see(track(1, place=(0, 0, 3)), stamp_s=0.0)
    shown = space.see(unseen(1, since_s=1.0), stamp_s=1.0)
    assert set(shown) == {'hidden', 'ids'}
    assert space.strengths('hidden') == {round(0.5 * 0.65, 3)}
    assert shown['ids'].color.a == pytest.approx(0.5)
    assert space.see(unseen(1, since_s=2.1), stamp_s=2.1) == {}
    # Never placed, never shown.
    assert space.see(unseen(2), stamp_s=2.2) == {}


def test_names_stand_at_the_head_or_what_is_known_of_it(space):
    nose, eye = COCO_17.index('nose'), COCO_17.index('right_eye')
    faceless = [i for i, name in enumerate(COCO_17.joints) if name not in ('right_eye',)][:4]
    for hidden, joint in (([], nose), (faceless, eye)):
        space.writer.forget()
        space.shown.clear()
        shown = space.see(track(1, hidden=hidden, place=(0, 0, 3)))
        assert shown['ids'].pose.position.z == 3 + joint
    space.writer.forget()
    space.shown.clear()
    shown = space.see(track(1, hidden=[*faceless, eye], place=(0, 0, 3)))
    assert shown['ids'].pose.position.z == 3


def test_an_arrow_points_where_somebody_faces(space):
    one = track(1, place=(0, 0, 3))
    half = np.sqrt(0.5)
    # A quarter turn about z: forward is +y.
    one.in_space = replace(one.in_space, orientation_xyzw=np.array([0, 0, half, half]))
    shown = space.see(one)
    ends = places(shown['facing'])
    np.testing.assert_allclose(ends[:2], [[0, 0, 3], [0, 0.4, 3]], atol=1e-6)
    assert len(ends) == 6
    unknown = track(2, place=(0, 0, 3))
    assert 'facing' not in space.see(unknown)


def test_another_frame_forgets_what_was_where(space):
    space.see(track(1, place=(0, 0, 3)), stamp_s=0.0, trail_s=2.0)
    space.arguments['space_frame'] = 'map'
    shown = space.see(track(1, hidden=[WRIST], place=(9, 0, 0)), stamp_s=0.1, trail_s=2.0)
    assert 'hidden' not in shown
    assert 'trails' not in shown
    assert {m.header.frame_id for m in shown.values()} == {'map'}


def test_after_nobody_looked_nothing_is_deleted(flat, space):
    for viewer in (flat, space):
        viewer.see(track(1, place=(0, 0, 3)), stamp_s=0.0, trail_s=2.0)
        viewer.writer.forget()
        viewer.shown.clear()
        shown = viewer.see(track(2, x=5, place=(1, 0, 3)), stamp_s=0.2, trail_s=2.0)
        assert set(viewer.actions) == {Marker.ADD}
        assert 'trails' not in shown
