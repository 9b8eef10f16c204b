"""People as REP-155 wants them: messages, ids, and topics that come and go.

By stand-ins for hri_msgs, and by the real one where it is installed; it is not on PyPI.
"""

import re

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not there: run make setup')
pytest.importorskip('pose_tracking_ros.msg', reason='the messages are not built: run make build')

from interop_moments import SIZE, Recorder, messages_of, moment, track
from std_msgs.msg import Header

from pose_tracking_ros.people import TrackState
from pose_tracking_ros.ros.interop.ros4hri import Ros4HriOutlet
from pose_tracking_ros.ros.interop.ros4hri_messages import (
    body_prefix,
    identifier_of,
    match_message,
    region_message,
    skeleton_message,
)
from pose_tracking_ros.skeleton import COCO_17


@pytest.fixture(params=['stand-in', 'installed'])
def hri(request):
    return messages_of('hri_msgs', request.param)


def test_a_region_is_a_share_of_the_image(hri):
    header = moment().header
    region = region_message(hri, track(), SIZE, header)
    assert region.header == header
    values = [region.xmin, region.ymin, region.xmax, region.ymax, region.c]
    assert values == pytest.approx([0.1, 0.1, 0.3, 0.9, 0.75])


def test_a_region_is_cut_at_the_border_and_a_guess_has_no_score(hri):
    box = np.array([-20, 50, 220, 150], np.float32)
    region = region_message(hri, track(box=box, is_matched=False), SIZE, Header())
    values = [region.xmin, region.ymin, region.xmax, region.ymax, region.c]
    assert values == pytest.approx([0.0, 0.5, 1.0, 1.0, 0.0])


def test_every_joint_is_at_the_place_of_its_constant(hri):
    person = track()
    message = skeleton_message(hri, person, COCO_17, SIZE, Header(frame_id='camera'))
    assert message.header.frame_id == 'camera'
    assert len(message.skeleton) == 18
    for index, joint in enumerate(COCO_17.joints):
        point = message.skeleton[getattr(hri.Skeleton2D, joint.upper())]
        expected = [*person.keypoints[index] / SIZE, person.keypoint_scores[index]]
        assert [point.x, point.y, point.c] == pytest.approx(expected), joint


def test_the_neck_is_the_middle_of_the_shoulders(hri):
    keypoints, scores = np.full((17, 2), 50.0), np.full(17, 0.9)
    left, right = COCO_17.index('left_shoulder'), COCO_17.index('right_shoulder')
    keypoints[left], keypoints[right], scores[right] = (20, 40), (40, 60), 0.3
    person = track(keypoints=keypoints, keypoint_scores=scores)
    neck = skeleton_message(hri, person, COCO_17, SIZE, Header()).skeleton[hri.Skeleton2D.NECK]
    assert [neck.x, neck.y, neck.c] == pytest.approx([30 / 200, 50 / 100, 0.3])


@pytest.mark.parametrize('place', [(np.nan, np.nan), (-1.0, 50.0), (50.0, 101.0)])
def test_unknown_joints_and_those_outside_have_no_score(hri, place):
    keypoints = np.full((17, 2), 50.0)
    keypoints[COCO_17.index('left_shoulder')] = place
    message = skeleton_message(hri, track(keypoints=keypoints), COCO_17, SIZE, Header())
    point = message.skeleton[hri.Skeleton2D.LEFT_SHOULDER]
    assert (point.x, point.y, point.c) == (0.0, 0.0, 0.0)
    assert message.skeleton[hri.Skeleton2D.LEFT_HIP].c > 0


def test_a_match_names_body_and_person(hri):
    match = match_message(hri, 'b7', 'Anna', 0.8)
    assert (match.id1, match.id1_type) == ('b7', hri.IdsMatch.BODY)
    assert (match.id2, match.id2_type) == ('Anna', hri.IdsMatch.PERSON)
    assert match.confidence == pytest.approx(0.8)


@pytest.mark.parametrize(
    ('name', 'start'),
    [
        ('Anna', 'Anna'),
        ('person_2', 'person_2'),
        ('Anna Müller', 'Anna_Muller_'),
        ('2nd guest', 'p_2nd_guest_'),
        ('a__b', 'a_b_'),
        ('安娜', 'p_'),
        ('_', 'p_'),
    ],
)
def test_names_become_tokens_of_topics(name, start):
    token = identifier_of(name)
    assert token.startswith(start)
    assert re.fullmatch(r'[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*', token)
    assert token == identifier_of(name)
    assert (token == name) == (start == name)


def test_different_names_stay_different():
    names = ['Anna Müller', 'Anna Muller', 'Anna-Muller', 'Anna_Muller', '安娜', '娜安']
    assert len({identifier_of(name) for name in names}) == len(names)


def test_body_ids_of_several_cameras_differ():
    assert body_prefix('', '/') == 'b'
    assert body_prefix('', '/robot/front') == 'robot_front_b'
    assert body_prefix('person_', '/robot') == 'person_'


@pytest.fixture
def outlet(hri):
    node = Recorder()
    return Ros4HriOutlet(node, hri), node


def test_people_in_view_are_bodies(outlet):
    outlet, node = outlet
    tracks = [
        track(1),
        track(2, state=TrackState.TENTATIVE),
        track(3, state=TrackState.LOST, is_matched=False),
        track(4, state=TrackState.OCCLUDED, is_matched=False),
    ]
    node.subscribers = 1
    assert outlet.publish(moment(*tracks)) == ''
    assert node.last('/humans/bodies/tracked').ids == ['b1', 'b4']
    assert node.bodies() == ['b1', 'b4']
    assert node.last('/humans/bodies/b1/roi').c == pytest.approx(0.75)
    assert node.last('/humans/bodies/b4/skeleton2d').header.frame_id == 'camera'


def test_topics_go_with_their_people(outlet):
    outlet, node = outlet
    outlet.publish(moment(track(1), track(2)))
    # Lost people may come back under the same id.
    outlet.publish(moment(track(1), track(2, state=TrackState.LOST, is_matched=False)))
    assert node.last('/humans/bodies/tracked').ids == ['b1']
    assert node.bodies() == ['b1', 'b2']
    outlet.publish(moment(track(2)))
    assert node.bodies() == ['b2']
    outlet.publish(moment())
    assert node.bodies() == []
    assert node.last('/humans/bodies/tracked').ids == []


def test_there_are_never_more_topics_than_allowed(outlet):
    outlet, node = outlet
    problem = outlet.publish(moment(track(1), track(2), track(3), ros4hri_max_bodies=2))
    assert '1 of 3 people are left out' in problem
    assert 'Raise ros4hri_max_bodies' in problem
    assert node.bodies() == ['b1', 'b2']
    # Who is lost yields to who is in view; who has topics keeps them.
    lost = track(1, state=TrackState.LOST, is_matched=False)
    assert outlet.publish(moment(lost, track(2), track(3), ros4hri_max_bodies=2)) == ''
    assert node.bodies() == ['b2', 'b3']
    assert node.last('/humans/bodies/tracked').ids == ['b2', 'b3']
    outlet.publish(moment(track(2), track(3), ros4hri_max_bodies=1))
    assert node.bodies() == ['b2']


def test_a_body_is_told_of_and_cropped_for_those_who_look(outlet):
    outlet, node = outlet
    now = moment(track(1, box=np.array([-5, 10.5, 60, 90], np.float32)))
    now.image[10:90, 0:60] = 50
    outlet.publish(now)
    assert not [topic for topic, _ in node.sent if topic.startswith('/humans/bodies/b1/')]
    node.subscribers = 1
    outlet.publish(now)
    image = node.last('/humans/bodies/b1/cropped')
    assert (image.width, image.height, image.encoding) == (60, 80, 'rgb8')
    assert image.header == now.header
    assert set(image.data) == {50}


def test_a_known_person_has_a_body_and_a_name(outlet):
    outlet, node = outlet
    outlet.publish(moment(track(1), track(2, person_id='Anna Müller')))
    person_id = identifier_of('Anna Müller')
    assert node.last('/humans/persons/tracked').ids == [person_id]
    assert node.last('/humans/persons/known').ids == [person_id]
    assert node.last(f'/humans/persons/{person_id}/body_id').data == 'b2'
    assert node.last(f'/humans/persons/{person_id}/name').data == 'Anna Müller'
    assert node.last(f'/humans/persons/{person_id}/anonymous').data is False
    # Latched: said once.
    node.sent.clear()
    outlet.publish(moment(track(2, person_id='Anna Müller')))
    assert f'/humans/persons/{person_id}/body_id' not in dict(node.sent)
    # Gone, and back with another body.
    outlet.publish(moment())
    assert node.last(f'/humans/persons/{person_id}/body_id').data == ''
    assert node.last('/humans/persons/tracked').ids == []
    assert node.last('/humans/persons/known').ids == [person_id]
    outlet.publish(moment(track(9, person_id='Anna Müller')))
    assert node.last(f'/humans/persons/{person_id}/body_id').data == 'b9'


def test_persons_out_of_view_yield_their_topics(outlet):
    outlet, node = outlet
    outlet.publish(moment(track(1, person_id='Anna'), ros4hri_max_bodies=1))
    outlet.publish(moment(track(2, person_id='Bert'), ros4hri_max_bodies=1))
    assert node.last('/humans/persons/known').ids == ['Bert']
    assert '/humans/persons/Anna/name' not in node.open
    # Back with the same body as before: these are other topics, which nobody has heard yet.
    node.sent.clear()
    outlet.publish(moment(track(1, person_id='Anna'), ros4hri_max_bodies=1))
    assert node.last('/humans/persons/Anna/body_id').data == 'b1'
    assert node.last('/humans/persons/Anna/name').data == 'Anna'


def test_matches_go_to_the_person_manager_instead(outlet):
    outlet, node = outlet
    outlet.publish(moment(track(1, person_id='Anna'), ros4hri_persons='persons'))
    outlet.publish(moment(track(1, person_id='Anna'), ros4hri_persons='matches'))
    assert not [topic for topic in node.open if topic.startswith('/humans/persons')]
    match = node.last('/humans/candidate_matches')
    assert (match.id1, match.id2) == ('b1', 'Anna')
    assert match.confidence == pytest.approx(0.8)
    node.sent.clear()
    outlet.publish(moment(track(1), ros4hri_persons='matches'))
    outlet.publish(moment(track(1), ros4hri_persons='matches'))
    (ended,) = [m for topic, m in node.sent if topic == '/humans/candidate_matches']
    assert (ended.id1, ended.id2, ended.confidence) == ('b1', 'Anna', 0.0)
    outlet.publish(moment(track(1), ros4hri_persons='none'))
    assert '/humans/candidate_matches' not in node.open


def test_at_the_end_nobody_is_there(outlet):
    outlet, node = outlet
    outlet.publish(moment(track(1, person_id='Anna')))
    outlet.close()
    assert node.open == {}
    for topic in ('/humans/bodies/tracked', '/humans/persons/tracked', '/humans/persons/known'):
        assert list(node.last(topic).ids) == []
