"""From tracks to messages: every field, and nothing left over from the image before."""

import math

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not there: run make setup')
pytest.importorskip('pose_tracking_ros.msg', reason='the messages are not built: run make build')

from builtin_interfaces.msg import Duration
from pose_tracking_ros.msg import Keypoint, TrackedPose, TrackedPoseArray
from pose_tracking_ros.msg import TrackEvent as TrackEventMessage
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from pose_tracking_ros.people import (
    EventKind,
    FrameResult,
    KeypointState,
    People,
    PoseInSpace,
    Track,
    TrackEvent,
    TrackState,
)
from pose_tracking_ros.ros.conversion import (
    PoseArrayWriter,
    durations_from_seconds,
    event_message,
    seconds_from_stamp,
)
from pose_tracking_ros.ros.markers import MarkerWriter, PixelPlane
from pose_tracking_ros.ros.outputs import RateLimit
from pose_tracking_ros.skeleton import COCO_17

JOINTS = len(COCO_17)


def track(track_id=1, **changes):
    fields = {
        'track_id': track_id,
        'state': TrackState.CONFIRMED,
        'is_matched': True,
        'box': np.array([10, 20, 50, 100], np.float32),
        'score': 0.75,
        'visibility': 0.5,
        'velocity': np.array([3, -4], np.float32),
        'keypoints': np.full((JOINTS, 2), 30, np.float32),
        'keypoint_scores': np.full(JOINTS, 0.5, np.float32),
        'keypoint_states': np.full(JOINTS, KeypointState.VISIBLE),
        'embedding': np.array([0.6, 0.8], np.float32),
        'age_s': 12.25,
        'time_since_update_s': 0.0,
        'occluder_id': 7,
        'person_id': 'anna',
        'person_similarity': 0.75,
    }
    return Track(**{**fields, **changes})


def result(*tracks, size=(640, 480)):
    return FrameResult(People.none(size), list(tracks), [], session_id=1)


def write(writer, frame, **changes):
    fields = {
        'header': Header(frame_id='cam'),
        'session_id': 99,
        'sequence': 5,
        'frames_dropped': 2,
        'processing_time_s': 0.125,
        'with_embeddings': False,
    }
    # What a subscriber would get.
    return deserialize_message(writer.write(frame, **{**fields, **changes}), TrackedPoseArray)


@pytest.fixture
def writer():
    return PoseArrayWriter(COCO_17, 'lite-abc')


def test_every_field_of_a_track_arrives(writer):
    array = write(writer, result(track()))
    assert (array.header.frame_id, array.skeleton, array.model_id) == (
        'cam',
        'coco_17',
        'lite-abc',
    )
    assert (array.session_id, array.sequence, array.frames_dropped) == (99, 5, 2)
    assert (array.image_width, array.image_height) == (640, 480)
    assert array.processing_time == Duration(sec=0, nanosec=125_000_000)
    (pose,) = array.poses
    assert (pose.track_id, pose.person_id, pose.occluder_id) == (1, 'anna', 7)
    assert pose.person_similarity == 0.75
    assert (pose.state, pose.is_matched) == (TrackedPose.CONFIRMED, True)
    assert (pose.score, pose.visibility) == (0.75, 0.5)
    assert pose.age == Duration(sec=12, nanosec=250_000_000)
    assert pose.time_since_update == Duration()
    assert list(pose.velocity) == [3, -4]
    box = pose.bbox
    assert (box.center_x, box.center_y, box.size_x, box.size_y) == (30, 60, 40, 80)
    assert len(pose.keypoints) == JOINTS
    assert pose.keypoints[0] == Keypoint(x=30.0, y=30.0, score=0.5, state=Keypoint.VISIBLE)


def test_what_is_missing_is_nan_and_never_zero(writer):
    keypoints = np.full((JOINTS, 2), 30, np.float32)
    keypoints[3] = np.nan
    states = np.full(JOINTS, KeypointState.VISIBLE)
    states[3] = KeypointState.NOT_ESTIMATED
    scores = np.full(JOINTS, 0.5, np.float32)
    scores[3] = 0
    tracks = track(keypoints=keypoints, keypoint_states=states, keypoint_scores=scores)
    (pose,) = write(writer, result(tracks)).poses
    joint = pose.keypoints[3]
    assert math.isnan(joint.x)
    assert math.isnan(joint.y)
    assert (joint.score, joint.state) == (0, Keypoint.NOT_ESTIMATED)
    for part in (pose.pose.position, pose.pose.orientation, pose.twist.linear, pose.twist.angular):
        for axis in part.get_fields_and_field_types():
            assert math.isnan(getattr(part, axis))
    assert len(pose.keypoints_3d) == 0


def test_nothing_is_left_over_from_the_message_before(writer):
    write(writer, result(track(1), track(2), track(3)), with_embeddings=True)
    lost = track(
        9, state=TrackState.LOST, is_matched=False, person_id='', occluder_id=0, age_s=1.0,
        embedding=np.zeros(0, np.float32), time_since_update_s=0.5, visibility=0.0,
    )  # fmt: skip
    array = write(writer, result(lost))
    (pose,) = array.poses
    assert (pose.track_id, pose.person_id, pose.occluder_id) == (9, '', 0)
    assert (pose.state, pose.is_matched) == (TrackedPose.LOST, False)
    assert len(pose.embedding) == 0
    assert pose.time_since_update == Duration(nanosec=500_000_000)
    assert write(writer, result()).poses == []
    assert [p.track_id for p in write(writer, result(track(4), track(5))).poses] == [4, 5]


@pytest.mark.parametrize('is_wanted', [False, True])
def test_embeddings_are_sent_on_request_only(writer, is_wanted):
    (pose,) = write(writer, result(track()), with_embeddings=is_wanted).poses
    np.testing.assert_allclose(pose.embedding, [0.6, 0.8] if is_wanted else [], atol=1e-6)


@pytest.mark.parametrize(
    ('seconds', 'expected'),
    [
        (0.0, (0, 0)),
        (1.5, (1, 500_000_000)),
        (2.9999999999, (3, 0)),
        (123456.000001, (123456, 1000)),
    ],
)
def test_durations_are_split_into_whole_seconds_and_the_rest(seconds, expected):
    (whole,), (nanoseconds,) = durations_from_seconds(np.array([seconds]))
    assert (whole, nanoseconds) == expected
    message = Duration(sec=int(whole), nanosec=int(nanoseconds))
    assert seconds_from_stamp(message) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    ('ours', 'message'),
    [
        (KeypointState, Keypoint),
        (TrackState, TrackedPose),
        (EventKind, TrackEventMessage),
    ],
)
def test_constants_are_those_of_the_messages(ours, message):
    assert {one.name: one.value for one in ours} == {
        one.name: getattr(message, one.name) for one in ours
    }


def test_an_event_carries_header_and_session():
    event = TrackEvent(EventKind.REIDENTIFIED, 8, 12.0, 'anna')
    message = event_message(event, header=Header(frame_id='cam'), session_id=99)
    assert (message.header.frame_id, message.session_id) == ('cam', 99)
    assert (message.kind, message.track_id, message.person_id) == (4, 8, 'anna')


def in_space(*, hidden=()):
    joints = np.arange(3.0 * JOINTS).reshape(JOINTS, 3)
    spreads = np.arange(9.0 * JOINTS).reshape(JOINTS, 3, 3)
    for joint in hidden:
        joints[joint], spreads[joint] = np.nan, np.nan
    turn = np.array([0.5, -0.5, 0.5, 0.5])
    return PoseInSpace(joints, spreads, np.arange(1.0, 4.0), np.arange(4.0, 7.0), turn)


def test_poses_in_space_are_written_joint_by_joint():
    writer = PoseArrayWriter(COCO_17, 'model')
    message = write(
        writer,
        result(track(1), track(2, in_space=in_space(hidden=(3,)), person_id=''), track(3)),
        space_frame='map',
    )
    assert message.header.frame_id == 'map'
    assert [len(pose.keypoints_3d) for pose in message.poses] == [0, JOINTS, 0]
    pose = message.poses[1]
    joint, hidden = pose.keypoints_3d[2], pose.keypoints_3d[3]
    assert (joint.position.x, joint.position.y, joint.position.z) == (6, 7, 8)
    assert joint.score == 0.5
    np.testing.assert_array_equal(joint.covariance, np.arange(18.0, 27.0))
    assert math.isnan(hidden.position.x)
    assert hidden.score == 0
    np.testing.assert_array_equal(hidden.covariance, [-1] + [0] * 8)
    assert (pose.pose.position.x, pose.pose.position.z) == (1, 3)
    assert (pose.twist.linear.x, pose.twist.linear.z) == (4, 6)
    turn = pose.pose.orientation
    assert (turn.x, turn.y, turn.z, turn.w) == (0.5, -0.5, 0.5, 0.5)
    assert math.isnan(pose.twist.angular.z)
    # The neighbours are not touched by it.
    assert math.isnan(message.poses[2].pose.position.x)
    assert math.isnan(message.poses[2].pose.orientation.w)
    assert message.poses[2].track_id == 3


def test_markers_in_space_are_few_and_leave_out_what_is_unknown():
    from pose_tracking_ros.ros.markers_3d import SpaceMarkerWriter

    writer = SpaceMarkerWriter(COCO_17)
    people = [
        track(1, in_space=in_space(hidden=(COCO_17.index('left_wrist'),))),
        track(2, in_space=in_space()),
        track(3),
        track(4, in_space=in_space(), state=TrackState.REMOVED),
    ]
    content = writer.write(people, header=Header(frame_id='cam'), space_frame='map')
    made = deserialize_message(content, MarkerArray).markers
    by_name = {m.ns: m for m in made}
    assert {m.header.frame_id for m in made} == {'map'}
    lists = ['facing', 'ids', 'ids', 'joints', 'limbs', 'velocities']
    assert sorted(m.ns for m in made) == lists
    assert len(by_name['joints'].points) == 2 * JOINTS - 1
    assert len(by_name['limbs'].points) == 2 * (2 * len(COCO_17.limbs) - 1)
    assert len(by_name['velocities'].points) == 4
    start, end = by_name['velocities'].points[:2]
    assert (end.x - start.x, end.y - start.y, end.z - start.z) == (4, 5, 6)
    for marker in made:
        assert len(marker.colors) == len(marker.points)
        assert all(math.isfinite(p.x + p.y + p.z) for p in marker.points)
    gone = deserialize_message(writer.write([], header=Header(frame_id='cam')), MarkerArray)
    assert {m.action for m in gone.markers} == {Marker.DELETE}
    names = [(m.ns, m.id) for m in gone.markers]
    assert sorted(names) == sorted([*zip(lists, (0, 1, 2, 0, 0, 0), strict=True)])


PLANE = PixelPlane.of_camera(0.01, (640, 480), None)


def markers(writer, *tracks):
    content = writer.write(tracks, header=Header(frame_id='cam'), plane=PLANE)
    return deserialize_message(content, MarkerArray).markers


def test_markers_are_few_however_many_people():
    """One marker per joint would be slow in RViz: three lists, and a text per person."""
    made = markers(MarkerWriter(COCO_17), *(track(i) for i in range(1, 11)))
    assert len(made) == 3 + 10
    assert len({(m.ns, m.id) for m in made}) == len(made)
    for marker in made:
        assert len(marker.colors) == len(marker.points)
        assert (marker.pose.orientation.w, marker.header.frame_id) == (1.0, 'cam')


def test_a_person_keeps_the_colour_and_differs_from_the_next():
    def colours(one):
        return {(c.r, c.g, c.b) for m in markers(MarkerWriter(COCO_17), one) for c in m.colors}

    assert len(colours(track(3))) == 1
    assert colours(track(3)) == colours(track(3, box=np.array([0, 0, 9, 9], np.float32)))
    assert colours(track(3)) != colours(track(4))


def test_joints_without_position_are_left_out_with_their_limbs():
    keypoints = np.full((JOINTS, 2), 30, np.float32)
    keypoints[COCO_17.index('left_wrist')] = np.nan
    states = np.full(JOINTS, KeypointState.VISIBLE)
    states[COCO_17.index('left_wrist')] = KeypointState.NOT_ESTIMATED
    states[COCO_17.index('right_wrist')] = KeypointState.OUT_OF_FRAME
    made = markers(MarkerWriter(COCO_17), track(keypoints=keypoints, keypoint_states=states))
    by_name = {m.ns: m for m in made}
    assert len(by_name['joints'].points) == JOINTS - 2
    assert len(by_name['limbs'].points) == 2 * (len(COCO_17.limbs) - 2)
    for marker in made:
        assert all(math.isfinite(p.x + p.y + p.z) for p in marker.points)


def test_texts_of_those_who_left_are_deleted_once():
    writer = MarkerWriter(COCO_17)
    markers(writer, track(1), track(2))
    gone = [m for m in markers(writer, track(2)) if m.action == Marker.DELETE]
    assert [(m.ns, m.id) for m in gone] == [('ids', 1)]
    removed = track(2, state=TrackState.REMOVED, is_matched=False)
    lost = [m for m in markers(writer, removed) if m.ns == 'ids']
    assert [(m.id, m.action) for m in lost] == [(2, Marker.DELETE)]
    assert [m for m in markers(writer) if m.ns == 'ids'] == []


def test_clearing_deletes_all_once():
    writer = MarkerWriter(COCO_17)
    assert writer.clear(Header()) is None
    markers(writer, track(1))
    cleared = deserialize_message(writer.clear(Header()), MarkerArray)
    assert [m.action for m in cleared.markers] == [Marker.DELETEALL]
    assert writer.clear(Header()) is None


def test_pixels_lie_on_a_plane_before_the_camera():
    np.testing.assert_allclose(
        PLANE.metres_from_pixels(np.array([[320, 240], [321, 242]])),
        [[0, 0, 6.4], [0.01, 0.02, 6.4]],
    )
    assert PLANE.depth_m == pytest.approx(6.4)
    info = CameraInfo(k=[500.0, 0.0, 300.0, 0.0, 500.0, 200.0, 0.0, 0.0, 1.0])
    plane = PixelPlane.of_camera(0.01, (640, 480), info)
    assert (plane.centre_px, plane.depth_m) == ((300, 200), 5)
    # A driver without calibration sends zeros.
    assert PixelPlane.of_camera(0.01, (640, 480), CameraInfo()) == PLANE


def test_a_rate_limit_keeps_its_rate_on_average():
    now_s = [0.0]
    limit = RateLimit(lambda: now_s[0])
    allowed = 0
    for tick in range(300):
        now_s[0] = tick / 30
        allowed += limit.allows(20.0)
    assert 195 <= allowed <= 205
    now_s[0] += 100
    assert [limit.allows(20.0), limit.allows(20.0)] == [True, False]
