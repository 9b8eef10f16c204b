"""People as messages of vision_msgs and people_msgs, and what all formats have in common.

By stand-ins for the message packages, and by the real ones where they are installed; they are not
on PyPI.
"""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not there: run make setup')
pytest.importorskip('pose_tracking_ros.msg', reason='the messages are not built: run make build')

from foreign_messages import VISION_MSGS_3, stand_in
from interop_moments import STAND_INS, Recorder, in_space, messages_of, moment, track

from pose_tracking_ros.people import TrackState
from pose_tracking_ros.ros.health import Health
from pose_tracking_ros.ros.interop import FORMATS, Exchange, Format, FormatError
from pose_tracking_ros.ros.interop.people_format import PeopleOutlet, people_message
from pose_tracking_ros.ros.interop.vision_format import VisionOutlet, detections_message
from pose_tracking_ros.settings import DepthSettings, InteropSettings


@pytest.fixture(params=['stand-in', 'installed'])
def people_msgs(request):
    return messages_of('people_msgs', request.param)


@pytest.fixture(params=['vision_msgs 3', 'vision_msgs 4', 'installed'])
def vision(request):
    if request.param == 'installed':
        return messages_of('vision_msgs', 'installed')
    return messages_of(request.param, 'stand-in')


def test_detections_are_the_people_whom_the_image_shows(vision):
    now = moment(
        track(1),
        track(2, state=TrackState.OCCLUDED, is_matched=False),
        track(3, state=TrackState.OCCLUDED),
        track(4, state=TrackState.TENTATIVE),
    )
    message = detections_message(vision, now)
    assert message.header == now.header
    assert [d.id for d in message.detections] == ['1', '3']
    (first, _) = message.detections
    assert first.header == now.header
    (result,) = first.results
    assert result.hypothesis.class_id == 'person'
    assert result.hypothesis.score == pytest.approx(0.75)
    assert (first.bbox.size_x, first.bbox.size_y) == (40.0, 80.0)
    centre = getattr(first.bbox.center, 'position', first.bbox.center)
    assert (centre.x, centre.y, first.bbox.center.theta) == (40.0, 50.0, 0.0)


@pytest.mark.parametrize(
    ('space_frame', 'place', 'z'),
    [('', in_space(), 3.0), ('map', in_space(), 0.0), ('', in_space((np.nan,) * 3), 0.0)],
)
def test_a_position_is_told_where_the_frame_of_the_message_is_its_own(
    vision, space_frame, place, z
):
    message = detections_message(vision, moment(track(in_space=place), space_frame=space_frame))
    assert message.detections[0].results[0].pose.pose.position.z == z


def test_without_people_the_list_is_empty(vision):
    assert list(detections_message(vision, moment()).detections) == []


def test_people_have_places_and_velocities(people_msgs):
    now = moment(
        track(1, in_space=in_space()),
        track(2, person_id='Anna', in_space=in_space()),
        space_frame='map',
    )
    message = people_message(people_msgs, now)
    assert message.header.stamp == now.header.stamp
    assert message.header.frame_id == 'map'
    assert [person.name for person in message.people] == ['1', 'Anna']
    person = message.people[1]
    assert (person.position.x, person.position.y, person.position.z) == (1.0, 2.0, 3.0)
    assert (person.velocity.x, person.velocity.y, person.velocity.z) == (0.5, 0.0, -0.5)
    assert person.reliability == pytest.approx(0.75)
    tags = dict(zip(person.tagnames, person.tags, strict=True))
    assert tags == {'track_id': '2', 'state': 'confirmed'}


@pytest.mark.parametrize(
    'place', [None, in_space((np.nan,) * 3, (0, 0, 0)), in_space((1, 2, 3), (np.nan,) * 3)]
)
def test_people_with_unknown_places_or_velocities_are_left_out(people_msgs, place):
    message = people_message(people_msgs, moment(track(in_space=place)))
    assert list(message.people) == []
    assert message.header.frame_id == 'camera'


@pytest.mark.parametrize('form', FORMATS, ids=lambda form: form.package)
def test_every_format_has_a_switch_that_is_off(form):
    assert getattr(InteropSettings(), form.setting) is False


@pytest.mark.parametrize('form', FORMATS, ids=lambda form: form.package)
def test_what_is_filled_in_is_what_the_messages_have(form, monkeypatch):
    fitting = [make for name, make in STAND_INS.items() if name.split()[0] == form.package]
    for make in fitting:
        monkeypatch.setattr(importlib, 'import_module', lambda name, make=make: make())
        form.messages()


def test_messages_of_another_version_are_refused_with_the_reason(monkeypatch):
    older = {**VISION_MSGS_3, 'ObjectHypothesisWithPose': {'id': 'string', 'score': 'float64'}}
    monkeypatch.setattr(importlib, 'import_module', lambda name: stand_in(older))
    (form,) = [form for form in FORMATS if form.package == 'vision_msgs']
    with pytest.raises(FormatError, match='with hypothesis, pose; got id, score'):
        form.messages()


@pytest.mark.parametrize('distribution', ['humble', ''])
def test_missing_messages_are_explained(monkeypatch, distribution):
    monkeypatch.setenv('ROS_DISTRO', distribution)

    def refuse(name):
        raise ModuleNotFoundError(f'No module named {name!r}')

    monkeypatch.setattr(importlib, 'import_module', refuse)
    (form,) = [form for form in FORMATS if form.package == 'hri_msgs']
    with pytest.raises(FormatError) as raised:
        form.messages()
    expected = f'sudo apt install ros-{distribution or "$ROS_DISTRO"}-hri-msgs'
    assert expected in str(raised.value)
    assert 'set publish_ros4hri to false' in str(raised.value)


@pytest.mark.parametrize('prefix', ['1st', 'a b', 'ä', '/x', 'b' * 65])
def test_prefixes_must_be_valid_in_names(prefix):
    with pytest.raises(ValueError, match='ros4hri_id_prefix: expected'):
        InteropSettings(ros4hri_id_prefix=prefix)


def test_without_depth_there_are_no_people_and_the_reason_is_told(people_msgs):
    node = Recorder()
    outlet = PeopleOutlet(node, people_msgs)
    problem = outlet.publish(moment(track(1), uses_depth=False))
    assert 'Set use_depth to true' in problem
    assert node.sent == []
    assert outlet.publish(moment(track(1, in_space=in_space()))) == ''
    outlet.close()
    assert [len(message.people) for _, message in node.sent] == [1, 0]
    assert node.open == {}


def test_detections_are_made_for_those_who_listen(vision):
    node = Recorder()
    outlet = VisionOutlet(node, vision)
    outlet.publish(moment(track(1)))
    assert node.sent == []
    node.subscribers = 1
    outlet.publish(moment(track(1)))
    assert len(node.last('~/detections').detections) == 1
    outlet.close()
    assert node.open == {}


class Parameters:
    """Settings that a test may change."""

    def __init__(self, **settings):
        self.change(**settings)

    def change(self, **settings):
        self.settings = {
            InteropSettings: InteropSettings(**settings),
            DepthSettings: DepthSettings(),
        }

    def get(self, settings_class):
        return self.settings[settings_class]


class PaperOutlet:
    def __init__(self, node, messages):
        self.moments = []
        self.is_closed = False
        self.problem = ''
        node.append(self)

    def publish(self, moment):
        self.moments.append(moment)
        return self.problem

    def close(self):
        self.is_closed = True


@pytest.fixture
def exchange():
    """An exchange of one format on paper; what it opened, and what was warned of."""

    def make(package='json', outlet=PaperOutlet, **settings):
        opened, warnings = [], []
        form = Format('publish_vision_msgs', package, {}, outlet)
        parameters = Parameters(**settings)
        health = Health(warnings.append, quiet_s=0.0)
        exchange = Exchange(opened, health, parameters, (form,))
        now = moment(track(1))

        def publish():
            exchange.publish(now.tracks, now.image, now.header, 'map')

        return SimpleNamespace(
            exchange=exchange,
            health=health,
            opened=opened,
            parameters=parameters,
            publish=publish,
            warnings=warnings,
        )

    return make


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(importlib, 'import_module', lambda name: SimpleNamespace())


def test_a_format_is_opened_and_closed_while_running(exchange, installed):
    case = exchange()
    case.publish()
    assert case.opened == []
    case.parameters.change(publish_vision_msgs=True)
    case.publish()
    case.publish()
    (outlet,) = case.opened
    assert [moment.space_frame for moment in outlet.moments] == ['map', 'map']
    case.parameters.change()
    case.publish()
    assert (outlet.is_closed, len(outlet.moments)) == (True, 2)


def test_after_the_end_the_next_image_opens_again(exchange, installed):
    case = exchange(publish_vision_msgs=True)
    case.publish()
    case.exchange.close()
    assert case.opened[0].is_closed
    case.publish()
    assert len(case.opened[1].moments) == 1


def test_a_problem_of_a_format_is_told_once_until_it_is_over(exchange, installed):
    case = exchange(publish_vision_msgs=True)
    case.exchange.follow_settings()
    case.opened[0].problem = '3 of 5 people are left out'
    case.publish()
    case.opened[0].problem = '4 of 6 people are left out'
    case.publish()
    assert case.warnings == ['3 of 5 people are left out']
    case.opened[0].problem = ''
    case.publish()
    assert case.health.active() == {}


def test_missing_messages_are_told_once_and_looked_for_again_only_when_settings_change(exchange):
    case = exchange(package='no_such_msgs', publish_vision_msgs=True)
    case.publish()
    case.publish()
    case.parameters.change(publish_vision_msgs=True, ros4hri_max_bodies=5)
    case.publish()
    (warning,) = case.warnings
    assert 'messages of no_such_msgs are not installed' in warning
    assert case.health.active() == {'publish_vision_msgs': warning}
    case.parameters.change()
    case.publish()
    assert case.health.active() == {}


def test_messages_built_for_another_python_are_explained(exchange, installed):
    from rosidl_generator_py.import_type_support_impl import UnsupportedTypeSupport

    def refuse(node, messages):
        raise UnsupportedTypeSupport('vision_msgs')

    case = exchange(outlet=refuse, publish_vision_msgs=True)
    case.publish()
    case.publish()
    (warning,) = case.warnings
    assert 'built for another Python' in warning
    assert case.health.active() == {'publish_vision_msgs': warning}
