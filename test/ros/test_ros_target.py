"""A target chosen by the service, published for each image, lost and found, over real DDS."""

from types import SimpleNamespace

import numpy as np
import pytest
from interop_moments import track

from pose_tracking_ros.people import People


def set_target(scene, **request):
    from pose_tracking_ros.srv import SetTarget

    return scene.graph.call(SetTarget, 'tracker_node/set_target', SetTarget.Request(**request))


NAMES = ['Anna', 'Bert', 'Carl']


class Crowd:
    """Makes the paper engine find people at given places, each with a look of their own."""

    def __init__(self, engine):
        self.looks = {}
        engine.infer = self.infer

    def show(self, **looks):
        """Let people be found: left border of each box, px, by name; the name is their look."""
        self.looks = looks

    def infer(self, image):
        size = (image.shape[1], image.shape[0])
        if not self.looks:
            return People.none(size, dim=4)
        lefts = np.array(list(self.looks.values()), float)
        joints = np.dstack(
            [
                lefts[:, None] + np.linspace(2, 28, 17),
                np.tile(np.linspace(25, 135, 17), (len(lefts), 1)),
            ]
        )
        return People(
            boxes=np.column_stack([lefts, lefts * 0 + 20, lefts + 30, lefts * 0 + 140]),
            scores=np.full(len(lefts), 0.9),
            keypoints=joints,
            keypoint_scores=np.full((len(lefts), 17), 0.8),
            embeddings=np.eye(4)[[NAMES.index(name) for name in self.looks]],
            image_size=size,
        )


@pytest.fixture
def street(scene, image, graph, engine):
    """A tracker of `Crowd`, with a listener to the target, and a clock that goes on."""
    from pose_tracking_ros.msg import TrackedPoseArray

    def make(**parameters):
        targets = graph.listen(TrackedPoseArray, 'tracker_node/target')
        place = scene(max_lost_s=1.0, **parameters)
        graph.connect(place.tracker._outputs._target)
        place.crowd, place.targets, place.now_s = Crowd(engine), targets, 1.0

        def walk(count=5, **looks):
            """Show people for some images; return the poses of the last one."""
            place.crowd.show(**looks)
            for _ in range(count):
                place.now_s += 0.1
                poses = place.show(image(place.now_s))
            return poses

        def target():
            """Return the target in the image shown last."""
            stamp = place.poses[-1].header.stamp
            graph.until(lambda: targets and targets[-1].header.stamp == stamp, 'target')
            return targets[-1]

        place.walk, place.target = walk, target
        return place

    return make


def test_the_target_is_published_for_every_image_until_nobody_is_wanted(street):
    place = street()
    poses = place.walk(Anna=10, Bert=100)
    assert place.targets == []
    anna, bert = (pose.track_id for pose in poses.poses)

    answer = set_target(place, track_id=bert)
    assert (answer.success, answer.track_id) == (True, bert), answer.message
    poses = place.walk(3, Anna=10, Bert=100)
    (pose,) = place.target().poses
    # As text: NaN equals nothing.
    assert str(pose) == str(poses.poses[1])
    assert place.target().header == poses.header
    assert place.target().session_id == poses.session_id
    assert [len(t.poses) for t in place.targets] == [1, 1, 1]

    answer = set_target(place, point_px=[20.0, 50.0])
    assert (answer.success, answer.track_id) == (True, anna), answer.message
    place.walk(1, Anna=10, Bert=100)
    assert place.target().poses[0].track_id == anna

    answer = set_target(place)
    assert (answer.success, answer.track_id) == (True, 0)
    count = len(place.targets)
    place.walk(3, Anna=10, Bert=100)
    place.graph.spin_for(0.2)
    assert len(place.targets) == count


def test_a_target_that_is_not_seen_is_published_as_the_tracker_expects_it(street):
    place = street()
    place.walk(Anna=10)
    set_target(place, track_id=1)
    place.walk(3)
    (pose,) = place.target().poses
    assert (pose.track_id, pose.is_matched) == (1, False)


def test_a_lost_target_is_told_once_and_found_again_by_name(street):
    from diagnostic_msgs.msg import DiagnosticArray
    from pose_tracking_ros.srv import EnrollPerson

    place = street(gallery_name_after_s=0.1, diagnostics_period_s=0.1)
    reports = place.graph.listen(DiagnosticArray, '/diagnostics')

    def diagnosed():
        return {v.key: v.value for v in reports[-1].status[0].values} if reports else {}

    place.walk(Anna=10)
    request = EnrollPerson.Request(track_id=1, person_id='Anna')
    assert place.graph.call(EnrollPerson, 'tracker_node/enroll_person', request).success
    assert set_target(place, point_px=[20.0, 50.0]).success
    place.walk(Anna=10)
    place.graph.until(lambda: diagnosed().get('target') == "track 1, 'Anna': seen", 'seen')

    place.walk(15, Bert=100)
    assert list(place.target().poses) == []
    place.graph.until(lambda: 'problem: target' in diagnosed(), 'diagnostic')
    assert diagnosed()['target'] == "track 1, 'Anna': lost"
    lost = [text for text in place.tracker.warnings if 'the target is lost' in text]
    assert len(lost) == 1
    assert "track 1, 'Anna'" in lost[0]

    place.walk(8, Bert=100, Anna=40)
    (pose,) = place.target().poses
    assert pose.person_id == 'Anna'
    assert pose.track_id > 1
    assert 'target' not in place.tracker._health.active()


def test_a_reset_loses_a_target_without_a_name(street):
    from std_srvs.srv import Trigger

    place = street()
    place.walk(Anna=10)
    set_target(place, track_id=1)
    place.graph.call(Trigger, 'tracker_node/reset', Trigger.Request())
    place.walk(Anna=10)
    assert list(place.target().poses) == []
    assert 'Choose another one' in place.tracker._health.active()['target']
    assert set_target(place).success
    assert 'target' not in place.tracker._health.active()


def test_a_name_may_be_chosen_before_the_person_comes(street):
    place = street(gallery_name_after_s=0.1)
    place.tracker._pipeline.known_people._gallery.enroll('Bert', np.eye(4, dtype=np.float32)[1:2])
    place.walk(Anna=10)
    answer = set_target(place, person_id='Bert')
    assert (answer.success, answer.track_id) == (True, 0), answer.message
    place.walk(2, Anna=10)
    assert list(place.target().poses) == []
    place.walk(8, Anna=10, Bert=100)
    (pose,) = place.target().poses
    assert pose.person_id == 'Bert'


def test_a_name_that_passes_to_another_track_is_told(street):
    def tracks(*names):
        return [track(number, person_id=name) for number, name in enumerate(names, 1)]

    place = street()
    service, told = place.tracker._target, []
    service._logger = SimpleNamespace(info=told.append)
    service.see(tracks('Anna', ''), 1)
    assert set_target(place, person_id='Anna').success
    service.see(tracks('Anna', ''), 1)
    told.clear()
    for _ in range(2):
        (seen,) = service.see(tracks('', 'Anna'), 1)
        assert seen.track_id == 2
    assert told == ["the target is in view: track 2, 'Anna'"]


def test_refusals_say_why(street):
    place = street()
    place.walk(Anna=10)
    for request, message in (
        ({'track_id': 9}, 'expected a track of the latest image (1), got 9'),
        ({'person_id': 'Anna'}, 'expected the name of a known person (nobody)'),
        ({'point_px': [150.0, 5.0]}, 'got 150, 5'),
        ({'point_px': [1.0]}, 'expected x and y, or nothing'),
        ({'track_id': 1, 'point_px': [1.0, 1.0]}, 'expected one of'),
    ):
        answer = set_target(place, **request)
        assert not answer.success
        assert message in answer.message
    assert place.tracker._target.description == 'none'


def test_an_inactive_node_takes_no_target(graph, engine):
    graph.tracker(engine, autostart=False)
    answer = set_target(SimpleNamespace(graph=graph), track_id=1)
    assert not answer.success
    assert 'expected an active node' in answer.message
