"""Figures of a replay: by hand, and equal with and without a bag in between."""

import numpy as np
import pytest
from replay_bags import TOPIC, TruthEngine, images_of, small_scene, write_bag

from pose_tracking_ros.evaluation.replay.configuration import make_configuration
from pose_tracking_ros.evaluation.replay.ground_truth import (
    TRUTH_TOPIC,
    match_truth,
    truth_from_scene,
)
from pose_tracking_ros.evaluation.replay.replay import Realism, replay
from pose_tracking_ros.evaluation.replay.scoring import track_figures, truth_figures
from pose_tracking_ros.evaluation.replay.source import seconds_from_ns
from pose_tracking_ros.evaluation.replay.truth import GroundTruth, TruthFrame
from pose_tracking_ros.evaluation.replay.truth_messages import message_from_truth
from pose_tracking_ros.inference import load_engine
from pose_tracking_ros.people import KeypointState, Track, TrackState
from pose_tracking_ros.pipeline import make_pipeline
from pose_tracking_ros.recordings.message_types import POSES_TYPE
from pose_tracking_ros.recordings.recording import FrameRecord, Recording
from pose_tracking_ros.settings import NetworkSettings

PERIOD_NS = 100_000_000
SIZE = (200, 100)
ACCURACY = ('truth', 'mot', 'average_precision', 'posetrack')


def joints_in(box):
    """Return 17 joints spread over a box."""
    low, high = np.array(box[:2], np.float64), np.array(box[2:], np.float64)
    places = np.stack([np.linspace(0.1, 0.9, 17), np.linspace(0.05, 0.95, 17)], axis=1)
    return low + places * (high - low)


def truth_frame(index, people, *, ignored=()):
    """Return the truth of an image; `people` maps ids to boxes."""
    boxes = np.array(list(people.values()), np.float64).reshape(-1, 4)
    points = [joints_in(box) for box in boxes]
    return TruthFrame(
        stamp_ns=index * PERIOD_NS,
        person_ids=np.array(list(people), np.int64),
        boxes=boxes,
        keypoints=np.array(points).reshape(-1, 17, 2),
        keypoint_visible=np.ones((len(people), 17), np.bool_),
        is_ignored=np.array([number in ignored for number in people], np.bool_),
    )


def track(number, box, *, state=TrackState.CONFIRMED, is_matched=True):
    return Track(
        track_id=number,
        state=state,
        is_matched=is_matched,
        box=np.array(box, np.float32),
        score=0.9,
        visibility=1.0,
        velocity=np.zeros(2, np.float32),
        keypoints=joints_in(box).astype(np.float32),
        keypoint_scores=np.full(17, 0.8, np.float32),
        keypoint_states=np.full(17, int(KeypointState.VISIBLE)),
        embedding=np.zeros(0, np.float32),
        age_s=0.0,
        time_since_update_s=0.0,
    )


def frame(index, tracks, *, session_id=1):
    return FrameRecord(
        stamp_ns=index * PERIOD_NS,
        image_size=SIZE,
        tracks=tracks,
        frames_dropped=0,
        processing_time_s=0.0,
        latency_s=None,
        session_id=session_id,
        model_id='x',
        source_number=index + 1,
    )


def recording_of(frames, count=None):
    recording = Recording()
    for index in range(len(frames) if count is None else count):
        recording.note_source(index * PERIOD_NS)
    for one in frames:
        recording.add(one)
    return recording


def figures_of(frames, truths, *, count=None, has_keypoints=True):
    recording = recording_of(frames, count)
    truth = GroundTruth('by hand', truths, has_keypoints)
    return truth_figures(recording, match_truth(truth, recording.source_stamps_ns))


LEFT, RIGHT = (10, 10, 40, 90), (120, 10, 150, 90)


def test_perfect_tracks_have_perfect_figures():
    truths = [truth_frame(i, {1: LEFT, 2: RIGHT}) for i in range(5)]
    frames = [frame(i, [track(7, LEFT), track(9, RIGHT)]) for i in range(5)]
    figures = figures_of(frames, truths)
    mot = figures['mot']
    assert [mot[name] for name in ('hota', 'idf1', 'mota')] == pytest.approx([100.0] * 3)
    assert (mot['idsw'], mot['fn'], mot['fp'], mot['boxes'], mot['frames']) == (0, 0, 0, 10, 5)
    precision = figures['average_precision']
    assert precision['box_ap'] == precision['keypoint_ap'] == pytest.approx(1.0)
    total = figures['posetrack']['total']
    assert [total[name] for name in ('ap', 'mota', 'motp')] == pytest.approx([100.0] * 3)
    assert 'mot_with_dropped' not in figures


def test_a_switch_a_miss_and_a_false_box_are_counted():
    truths = [truth_frame(i, {1: LEFT}) for i in range(5)]
    frames = [
        frame(0, [track(1, LEFT)]),
        frame(1, [track(1, LEFT), track(3, RIGHT)]),
        frame(2, []),
        frame(3, [track(2, LEFT)]),
        frame(4, [track(2, LEFT)]),
    ]
    mot = figures_of(frames, truths)['mot']
    assert (mot['idsw'], mot['fn'], mot['fp']) == (1, 1, 1)
    assert mot['mota'] == pytest.approx(100 * (1 - 3 / 5))


def test_only_confirmed_people_found_in_the_image_count():
    truths = [truth_frame(i, {1: LEFT}) for i in range(2)]
    frames = [
        frame(0, [track(1, LEFT, state=TrackState.TENTATIVE)]),
        frame(1, [track(1, LEFT, state=TrackState.OCCLUDED, is_matched=False)]),
    ]
    mot = figures_of(frames, truths)['mot']
    assert (mot['fn'], mot['fp']) == (2, 0)


def test_sessions_do_not_share_people():
    truths = [truth_frame(i, {1: LEFT}) for i in range(2)]
    frames = [
        frame(0, [track(1, LEFT)], session_id=1),
        frame(1, [track(1, LEFT)], session_id=2),
    ]
    assert figures_of(frames, truths)['mot']['idsw'] == 1


def test_ignored_people_count_neither_for_nor_against():
    truths = [truth_frame(i, {1: LEFT, 2: RIGHT}, ignored={2}) for i in range(3)]
    found = [frame(i, [track(1, LEFT), track(2, RIGHT)]) for i in range(3)]
    missed = [frame(i, [track(1, LEFT)]) for i in range(3)]
    for frames in (found, missed):
        figures = figures_of(frames, truths)
        assert figures['mot']['mota'] == pytest.approx(100.0)
        assert figures['mot']['boxes'] == 3
        assert figures['average_precision']['box_ap'] == pytest.approx(1.0)
        assert figures['posetrack']['total']['mota'] == pytest.approx(100.0)


def test_dropped_images_count_apart():
    truths = [truth_frame(i, {1: LEFT}) for i in range(4)]
    frames = [frame(i, [track(1, LEFT)]) for i in (0, 2)]
    figures = figures_of(frames, truths, count=4)
    assert figures['mot']['mota'] == pytest.approx(100.0)
    assert figures['mot']['frames'] == figures['truth']['images'] == 2
    assert figures['mot_with_dropped']['fn'] == 2
    assert figures['mot_with_dropped']['mota'] == pytest.approx(50.0)


def test_images_without_truth_do_not_count():
    truths = [truth_frame(i, {1: LEFT}) for i in (1, 2, 9)]
    frames = [frame(i, [track(1, LEFT), track(2, RIGHT)] if i == 0 else [track(1, LEFT)])
              for i in range(4)]  # fmt: skip
    figures = figures_of(frames, truths)
    assert figures['mot']['fp'] == 0
    assert figures['truth']['images'] == 2
    assert figures['truth']['images_without_truth'] == 2
    assert figures['truth']['truth_without_image'] == 1


def test_joints_out_of_the_image_are_not_asked_for():
    truth = truth_frame(0, {1: LEFT})
    truth.keypoints[0, :6] = (-30.0, 20.0)
    found = track(1, LEFT)
    found.keypoints[:6] = (5.0, 20.0)
    figures = figures_of([frame(0, [found])], [truth])
    assert figures['average_precision']['keypoint_ap'] == pytest.approx(1.0)
    # Nobody says that they are right either: PoseTrack counts them as false.
    assert figures['posetrack']['total']['recall'] == pytest.approx(100.0)


def test_wrong_joints_cost_precision_of_poses_not_of_boxes():
    found = track(1, LEFT)
    found.keypoints += 25.0
    precision = figures_of([frame(0, [found])], [truth_frame(0, {1: LEFT})])['average_precision']
    assert precision['box_ap'] == pytest.approx(1.0)
    assert precision['keypoint_ap'] == 0.0


def test_truth_without_joints_is_compared_by_boxes():
    figures = figures_of(
        [frame(0, [track(1, LEFT)])], [truth_frame(0, {1: LEFT})], has_keypoints=False
    )
    assert figures['posetrack'] is None
    assert set(figures['average_precision']) == {'box_ap', 'box_ap50', 'box_ap75'}


def test_nobody_in_the_truth_has_no_accuracy():
    figures = figures_of([frame(0, [track(1, LEFT)])], [truth_frame(0, {})])
    assert figures['mot'] is None
    assert figures['average_precision'] is None


def test_nobody_found_is_all_missed():
    figures = figures_of([frame(0, [])], [truth_frame(0, {1: LEFT})])
    assert figures['mot']['fn'] == 1
    assert figures['average_precision']['keypoint_ap'] == 0.0
    assert figures['posetrack']['total']['mota'] == pytest.approx(0.0)


def test_times_are_those_of_states():
    lost = track(2, RIGHT, state=TrackState.LOST, is_matched=False)
    hidden = track(2, RIGHT, state=TrackState.OCCLUDED, is_matched=False)
    figures = track_figures(
        recording_of(
            [
                frame(0, [track(1, LEFT), track(2, RIGHT)]),
                frame(1, [track(1, LEFT), hidden]),
                frame(2, [track(1, LEFT), lost]),
                frame(3, [track(1, LEFT)]),
                # Another session: nothing lasts into it.
                frame(5, [track(3, LEFT)], session_id=2),
            ]
        )
    )
    tracks = figures['tracks']
    assert tracks['count'] == 3
    assert tracks['tracked_s'] == pytest.approx(0.4)
    assert tracks['occluded_s'] == tracks['predicted_s'] == pytest.approx(0.1)
    assert tracks['lost_s'] == pytest.approx(0.1)
    assert tracks['life_s_max'] == pytest.approx(0.3)
    assert figures['people'] == {'seen': 6, 'mean_per_image': 1.2, 'max_per_image': 2}
    assert figures['sessions'] == 2


def test_nothing_recorded_has_no_means():
    figures = track_figures(Recording())
    assert figures['tracks']['count'] == 0
    assert figures['tracks']['life_s_median'] is None
    assert figures['people']['mean_per_image'] is None


def bag_with_truth(folder, scene, images):
    truth = truth_from_scene(scene)
    messages = [
        (one.stamp_ns, message_from_truth(one, scene.image_size, 'camera', number))
        for number, one in enumerate(truth.frames, start=1)
    ]
    return write_bag(folder, images, others=[(TRUTH_TOPIC, POSES_TYPE, messages)])


def straight_figures(scene, images, engine, configuration):
    """Return the figures without any bag: pictures, pipeline, truth of the scene."""
    pipeline = make_pipeline(engine, configuration)
    recording = Recording()
    for number, (stamp_ns, picture) in enumerate(images, start=1):
        recording.note_source(stamp_ns)
        result = pipeline.process(picture, seconds_from_ns(stamp_ns))
        recording.add(
            FrameRecord(
                stamp_ns, result.people.image_size, result.tracks, 0, 0.0, None,
                result.session_id, engine.model_id, number,
            )
        )  # fmt: skip
    truth = truth_from_scene(scene)
    return truth_figures(recording, match_truth(truth, recording.source_stamps_ns))


def plain_numbers(figures, where=''):
    for key, value in figures.items():
        if isinstance(value, dict):
            yield from plain_numbers(value, f'{where}{key}.')
        elif isinstance(value, int | float):
            yield f'{where}{key}', value


def assert_equal_figures(with_bag, straight):
    numbers = dict(plain_numbers({name: with_bag[name] for name in ACCURACY}))
    expected = dict(plain_numbers({name: straight[name] for name in ACCURACY}))
    assert len(expected) > 100
    assert numbers == pytest.approx(expected, abs=1e-9, rel=0)


@pytest.fixture(scope='module')
def scene():
    return small_scene()


@pytest.fixture(scope='module')
def images(scene):
    return images_of(scene)


def test_a_bag_in_between_changes_no_figure(scene, images, tmp_path):
    engine = TruthEngine(scene, images)
    configuration = make_configuration('default', {})
    straight = straight_figures(scene, images, engine, configuration)
    bag = bag_with_truth(tmp_path / 'bag', scene, images)
    result = replay(bag, TOPIC, configuration, engine, ground_truth=TRUTH_TOPIC)
    assert result.truth.missing_ns == result.truth.extra_ns == []
    assert_equal_figures(result.figures, straight)
    assert 50 < straight['mot']['mota'] < 100
    assert straight['average_precision']['keypoint_ap'] > 0.2
    # The figures do depend on the tracks.
    other = make_configuration('iou', {'strategy': 'iou', 'confirm_after_s': 1.0})
    assert straight_figures(scene, images, engine, other)['mot'] != straight['mot']


def test_a_realistic_replay_is_scored_on_what_it_processed(scene, images, tmp_path):
    bag = bag_with_truth(tmp_path / 'bag', scene, images)
    figures = replay(
        bag, TOPIC, make_configuration('default', {}), TruthEngine(scene, images),
        ground_truth=TRUTH_TOPIC, realism=Realism(processing_ms=500.0),
    ).figures  # fmt: skip
    processed = figures['images']['processed']
    assert figures['mot']['frames'] == processed < len(images)
    assert figures['mot_with_dropped']['frames'] == len(images)
    assert figures['mot_with_dropped']['fn'] > figures['mot']['fn']
    assert figures['latency_ms']['max'] >= figures['latency_ms']['median'] >= 500.0


def test_with_the_real_network_too(tmp_path):
    scene = small_scene(duration_s=1.0, rate_hz=6.0, size=(320, 240))
    images = images_of(scene)
    settings = {'image_long_side_px': 192, 'confirm_after_s': 0.0, 'device': 'cpu'}
    configuration = make_configuration('small', settings)
    engine = load_engine(configuration.get(NetworkSettings))
    straight = straight_figures(scene, images, engine, configuration)
    bag = bag_with_truth(tmp_path / 'bag', scene, images)
    result = replay(bag, TOPIC, configuration, engine, ground_truth=TRUTH_TOPIC)
    assert_equal_figures(result.figures, straight)
    assert sum(len(one.shown) for one in result.recording.frames) > 0


def test_the_settings_are_part_of_the_figures(scene, images, tmp_path):
    bag = write_bag(tmp_path / 'bag', images[:3])
    named = make_configuration('fast', {'strategy': 'iou'})
    figures = replay(bag, TOPIC, named, TruthEngine(scene, images)).figures
    assert (figures['configuration'], figures['settings']) == ('fast', {'strategy': 'iou'})
    assert figures['model_id'] == 'truth@0'
    assert figures['truth'] is None
