"""Bytes made from arrays are those that message objects would give, field by field."""

import math

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not there: run make setup')
pytest.importorskip('pose_tracking_ros.msg', reason='the messages are not built: run make build')

from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point
from pose_tracking_ros.msg import (
    BoundingBox2D,
    Keypoint,
    SkeletonInfo,
    TrackedPose,
    TrackedPoseArray,
)
from rclpy.serialization import deserialize_message, serialize_message
from rosidl_parser.definition import BasicType, NamespacedType, UnboundedSequence
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from pose_tracking_ros.people import FrameResult, KeypointState, People, Track, TrackState
from pose_tracking_ros.ros.cdr import ENCAPSULATION, encode, encode_long, layout_of
from pose_tracking_ros.ros.conversion import PoseArrayWriter
from pose_tracking_ros.ros.markers import MarkerWriter, PixelPlane
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.viewing.overlay import colour_of

JOINTS = len(COCO_17)
HEADER = Header(stamp=Time(sec=1_700_000_000, nanosec=987_654_321), frame_id='cämera')
NAMES = ('', 'anna', '', 'Jörg-Øystein', 'x', 'ab', 'abc', 'fourteen chars')
PLANE = PixelPlane(0.01, (320.0, 240.0), 6.4)


def random_track(rng, number):
    keypoints = rng.uniform(-50, 2000, (JOINTS, 2)).astype(np.float32)
    states = rng.integers(1, 4, JOINTS)
    missing = rng.random(JOINTS) < 0.2
    keypoints[missing], states[missing] = np.nan, KeypointState.NOT_ESTIMATED
    states[rng.integers(JOINTS)] = KeypointState.OUT_OF_FRAME
    low = rng.uniform(0, 500, 2)
    return Track(
        track_id=int(rng.integers(1, 2**63)) if number % 3 else number + 1,
        state=TrackState(int(rng.integers(1, 6))),
        is_matched=bool(rng.random() < 0.5),
        box=np.concatenate([low, low + rng.uniform(1, 300, 2)]).astype(np.float32),
        score=float(rng.random()),
        visibility=float(rng.random()),
        velocity=rng.normal(size=2).astype(np.float32),
        keypoints=keypoints,
        keypoint_scores=np.where(missing, 0, rng.random(JOINTS)).astype(np.float32),
        keypoint_states=states,
        embedding=rng.normal(size=(128, 0, 3)[number % 3]).astype(np.float32),
        age_s=float(rng.uniform(0, 1e4)),
        time_since_update_s=float(rng.uniform(0, 2)),
        occluder_id=int(rng.integers(0, 9)),
        person_id=NAMES[number % len(NAMES)],
        person_similarity=0.5 + 0.01 * number,
    )


def duration(seconds):
    nanoseconds = round(seconds % 1 * 1e9)
    return Duration(sec=math.floor(seconds) + nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def pose_object(track, with_embedding):
    nan = math.nan
    x1, y1, x2, y2 = (float(value) for value in track.box)
    pose = TrackedPose(
        track_id=track.track_id,
        person_id=track.person_id,
        person_similarity=track.person_similarity,
        state=int(track.state),
        is_matched=track.is_matched,
        age=duration(track.age_s),
        time_since_update=duration(track.time_since_update_s),
        score=track.score,
        visibility=track.visibility,
        occluder_id=track.occluder_id,
        bbox=BoundingBox2D(
            center_x=(x1 + x2) / 2, center_y=(y1 + y2) / 2, size_x=x2 - x1, size_y=y2 - y1
        ),
        velocity=track.velocity,
        keypoints=[
            Keypoint(x=float(x), y=float(y), score=float(score), state=int(state))
            for (x, y), score, state in zip(
                track.keypoints, track.keypoint_scores, track.keypoint_states, strict=True
            )
        ],
        embedding=[float(value) for value in track.embedding] if with_embedding else [],
    )
    for vector in (pose.pose.position, pose.twist.linear, pose.twist.angular):
        vector.x = vector.y = vector.z = nan
    turned = pose.pose.orientation
    turned.x = turned.y = turned.z = turned.w = nan
    return pose


def fields(message):
    """Return every field of a message in words, as a subscriber gets it; NaN equals NaN."""
    return repr(deserialize_message(serialize_message(message), type(message)))


@pytest.mark.parametrize('with_embeddings', [False, True])
@pytest.mark.parametrize('count', [0, 1, 2, 50])
def test_pose_array_equals_the_one_made_of_objects(count, with_embeddings):
    rng = np.random.default_rng(count)
    tracks = [random_track(rng, number) for number in range(count)]
    # Strings of all lengths modulo 8 in front of the poses.
    for model_id in ('lite@' + 'f' * length for length in range(8)):
        content = PoseArrayWriter(COCO_17, model_id).write(
            FrameResult(People.none((1280, 720)), tracks, [], session_id=1),
            header=HEADER,
            session_id=2**64 - 1,
            sequence=12,
            frames_dropped=2**40,
            processing_time_s=1.0625,
            with_embeddings=with_embeddings,
        )
        wanted = TrackedPoseArray(
            header=HEADER,
            skeleton=COCO_17.name,
            model_id=model_id,
            session_id=2**64 - 1,
            image_width=1280,
            image_height=720,
            sequence=12,
            frames_dropped=2**40,
            processing_time=Duration(sec=1, nanosec=62_500_000),
            poses=[pose_object(track, with_embeddings) for track in tracks],
        )
        assert len(content) == len(serialize_message(wanted))
        assert repr(deserialize_message(content, TrackedPoseArray)) == fields(wanted)


def lists_of(tracks):
    """Return what is solid: ends of lines, and places of joints, each with its track."""
    wanted = {'joints': [], 'limbs': [], 'boxes': []}
    for track in tracks:
        seen = [
            state == KeypointState.VISIBLE and track.state != TrackState.LOST
            for state in track.keypoint_states
        ]
        wanted['joints'] += [(track, p) for p, k in zip(track.keypoints, seen, strict=True) if k]
        for one, other in COCO_17.limb_indices:
            if seen[one] and seen[other]:
                wanted['limbs'] += [(track, track.keypoints[one]), (track, track.keypoints[other])]
        if not track.is_matched or track.state == TrackState.OCCLUDED:
            continue
        x1, y1, x2, y2 = track.box
        for corner in (
            (x1, y1), (x2, y1), (x2, y1), (x2, y2), (x2, y2), (x1, y2), (x1, y2), (x1, y1),
        ):  # fmt: skip
            wanted['boxes'].append((track, corner))
    return wanted


def test_marker_array_equals_the_one_made_of_objects():
    rng = np.random.default_rng(3)
    writer = MarkerWriter(COCO_17)
    were_shown = set()
    # Twice, so that texts of those who left are deleted.
    for tracks in ([random_track(rng, n) for n in range(40)], [random_track(rng, 0)], []):
        for track in tracks:
            if track.state in (TrackState.LOST, TrackState.REMOVED):
                track.is_matched = False
        content = writer.write(tracks, header=HEADER, plane=PLANE)
        found = deserialize_message(content, MarkerArray)
        by_name = {marker.ns: marker for marker in found.markers if marker.ns != 'ids'}
        shown = [t for t in tracks if t.state != TrackState.REMOVED]
        for name, ends in lists_of(shown).items():
            if not ends:
                assert (name in by_name) == (name in were_shown)
                assert name not in were_shown or by_name[name].action == Marker.DELETE
                were_shown.discard(name)
                continue
            were_shown.add(name)
            expected = Marker(
                header=HEADER,
                ns=name,
                type=Marker.POINTS if name == 'joints' else Marker.LINE_LIST,
                points=[point_object(place) for _, place in ends],
                colors=[colour_object(track) for track, _ in ends],
            )
            expected.pose.orientation.w = 1.0
            expected.scale.x = expected.scale.y = 0.07 if name == 'joints' else 0.03
            assert repr(by_name[name]) == fields(expected)
        texts = [m for m in found.markers if m.ns == 'ids' and m.action == Marker.ADD]
        assert [text.text for text in texts] == [t.person_id or str(t.track_id) for t in shown]
        for text, track in zip(texts, shown, strict=True):
            expected = Marker(
                header=HEADER, ns='ids', id=track.track_id & 0x7FFFFFFF,
                type=Marker.TEXT_VIEW_FACING, text=text.text, color=colour_object(track),
            )  # fmt: skip
            expected.pose.orientation.w = 1.0
            expected.scale.z = 0.24
            expected.pose.position = point_object(
                ((track.box[0] + track.box[2]) / 2, np.float32(track.box[1] - 0.7 * 24))
            )
            assert repr(text) == fields(expected)


def point_object(place):
    x, y, z = PLANE.metres_from_pixels(np.array([place]))[0].tolist()
    return Point(x=x, y=y, z=z)


def colour_object(track):
    red, green, blue = (float(np.float32(c / 255)) for c in colour_of(track.track_id))
    least = 0.0 if track.state == TrackState.LOST else 0.35
    strength = 1.0 if track.is_matched else max(least, 1 - track.time_since_update_s / 2)
    return ColorRGBA(r=red, g=green, b=blue, a=float(np.float32(strength)))


@pytest.mark.parametrize('start', range(8))
def test_padding_depends_on_what_is_in_front(start):
    """A marker may start at any multiple of four, its doubles at multiples of eight only."""
    content = encode_long(Marker, (('text', 3),), {'text': b'abc', 'scale.z': 0.5}, {}, start)
    pad = -start % 4
    assert content[:pad] == bytes(pad)
    assert (start + content.index(np.float64(0.5).tobytes())) % 8 == 0


def test_any_number_of_elements_keeps_what_follows_in_place():
    for count in (0, 1, 2, 7):
        points = np.arange(3.0 * count).reshape(count, 3)
        colours = np.full((count, 4), 0.5, np.float32)
        content = encode_long(
            Marker,
            (('ns', 2), ('text', 4)),
            {'ns': b'ab', 'text': b'last', 'id': 5},
            {'colors': colours, 'points': points},
        )
        marker = deserialize_message(ENCAPSULATION + content, Marker)
        assert (marker.ns, marker.id, marker.text) == ('ab', 5, 'last')
        assert [(p.x, p.y, p.z) for p in marker.points] == [tuple(row) for row in points]
        assert len(marker.colors) == count


def test_elements_of_another_size_are_refused():
    with pytest.raises(ValueError, match='points: expected elements of 24 bytes'):
        encode_long(Marker, (), {}, {'points': np.zeros((2, 2))})
    with pytest.raises(ValueError, match='embedding: .* multiple of 8'):
        encode_long(TrackedPose, (), {}, {'embedding': np.zeros((3, 1), np.float32)})


def test_messages_of_several_layouts_come_in_their_order():
    names = ['', 'abcdefgh', 'x', 'abcdefgh', 'abcdefg']

    def fill(rows, members):
        rows['text'] = np.array([names[index].encode() for index in members])
        rows['id'] = members

    content = encode(Marker, [(('text', len(name)),) for name in names], fill, start=4)
    count = encode_long(MarkerArray, (), {'markers.length': len(names)}, {})
    markers = deserialize_message(ENCAPSULATION + count + content, MarkerArray).markers
    assert [(marker.id, marker.text) for marker in markers] == list(enumerate(names))


class Padded:
    """As a generated class: `Keypoint[] joints` of 13 bytes each, and a byte behind."""

    SLOT_TYPES = (
        UnboundedSequence(NamespacedType(['pose_tracking_ros', 'msg'], 'Keypoint')),
        BasicType('uint8'),
    )

    @staticmethod
    def get_fields_and_field_types():
        return {'joints': '', 'last': ''}


def test_the_last_element_is_not_padded():
    layout = layout_of(Padded, (('joints', 2),))
    assert (layout.dtype.fields['last'][1], layout.size) == (4 + 16 + 13, 4 + 16 + 13 + 1)


def test_what_is_not_covered_says_so():
    with pytest.raises(ValueError, match='lengths of strings and sequences only, got id'):
        layout_of(Marker, (('id', 3),))
    with pytest.raises(TypeError, match='joint_names: sequences of UnboundedString'):
        layout_of(SkeletonInfo, (('joint_names', 2),))
