"""The replay itself: every image through the pipeline, in order, always the same."""

import os
import signal
from argparse import ArgumentParser

import numpy as np
import pytest
from replay_bags import (
    DELAY_NS,
    START_NS,
    TOPIC,
    TruthEngine,
    image_message,
    images_of,
    small_scene,
    write_bag,
)

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.command import add_bag, replay_all
from pose_tracking_ros.evaluation.replay.configuration import make_configuration
from pose_tracking_ros.evaluation.replay.replay import Realism, replay
from pose_tracking_ros.evaluation.replay.source import seconds_from_ns
from pose_tracking_ros.pipeline import make_pipeline
from pose_tracking_ros.recordings.bag_reader import BagError

DEFAULTS = make_configuration('default', {})


@pytest.fixture(scope='module')
def scene():
    return small_scene()


@pytest.fixture(scope='module')
def images(scene):
    return images_of(scene)


@pytest.fixture
def engine(scene, engines):
    engines.before_each = lambda: None
    engines.seen = 0
    return engines


@pytest.fixture(scope='module')
def engines(scene, images):
    return TruthEngine(scene, images)


@pytest.fixture(scope='module')
def bag(images, tmp_path_factory):
    return write_bag(tmp_path_factory.mktemp('bags') / 'scene', images)


class Kept:
    """An output that keeps what it gets."""

    def __init__(self):
        self.images = []
        self.is_closed = False

    def add(self, image):
        self.images.append(image)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.is_closed = True


def tracks_of(frames):
    return [
        [
            (t.track_id, t.state, t.is_matched, t.box.tobytes(), t.keypoints.tobytes(), t.age_s)
            for t in frame.tracks
        ]
        for frame in frames
    ]


def test_every_image_gives_what_the_pipeline_gives(bag, images, engine):
    kept = Kept()
    result = replay(bag, TOPIC, DEFAULTS, engine, make_outputs=lambda reader, topic: [kept])
    pipeline = make_pipeline(engine, DEFAULTS)
    direct = [pipeline.process(picture, seconds_from_ns(stamp)) for stamp, picture in images]
    frames = result.recording.frames
    assert [frame.stamp_ns for frame in frames] == [stamp for stamp, _ in images]
    assert tracks_of(frames) == tracks_of(direct)
    assert sum(len(frame.tracks) for frame in frames) > len(frames)
    assert result.events == [event for one in direct for event in one.events]
    assert sum(result.recording.events.values()) == len(result.events) > 0
    assert list(result.recording.source_stamps_ns) == [stamp for stamp, _ in images]
    assert result.dropped_ns == []
    assert result.problems == []
    assert result.is_complete
    assert not result.is_realistic
    # The outputs got the same, in order, with their pictures, and were closed.
    assert kept.is_closed
    assert [one.source.number for one in kept.images] == list(range(1, len(images) + 1))
    assert [one.sequence for one in kept.images] == list(range(1, len(images) + 1))
    for one, (_, picture) in zip(kept.images, images, strict=True):
        np.testing.assert_array_equal(one.source.pixels, picture)


def test_nothing_in_the_record_tells_how_fast_this_machine_is(bag, engine):
    result = replay(bag, TOPIC, DEFAULTS, engine)
    assert {frame.processing_time_s for frame in result.recording.frames} == {0.0}
    assert {frame.latency_s for frame in result.recording.frames} == {None}
    assert result.timing['pipeline_per_s'] > 0
    assert set(result.timing['stages_ms']) >= {'infer', 'track'}


def test_settings_reach_engine_and_tracker(bag, engine):
    plain = make_configuration('plain', {'confirm_after_s': 10.0, 'max_people': 3})
    result = replay(bag, TOPIC, plain, engine)
    assert engine.settings.max_people == 3
    assert all(not frame.shown for frame in result.recording.frames)
    assert result.configuration == 'plain'
    assert result.settings == {'max_people': 3, 'confirm_after_s': 10.0}


def test_looks_are_kept_only_when_published(bag, engine):
    def lengths(values):
        frames = replay(bag, TOPIC, make_configuration('x', values), engine).recording.frames
        return {len(track.embedding) for frame in frames for track in frame.tracks}

    assert lengths({}) == {0}
    assert max(lengths({'publish_embeddings': True})) == engine.embedding_dim


def test_the_only_topic_of_images_needs_no_name(bag, engine):
    assert replay(bag, None, DEFAULTS, engine, max_images=2).topic == TOPIC
    assert replay(bag, TOPIC[1:], DEFAULTS, engine, max_images=2).topic == TOPIC


def test_a_topic_that_is_not_there_is_told_with_those_that_are(bag, engine):
    with pytest.raises(BagError, match=TOPIC):
        replay(bag, '/front/image', DEFAULTS, engine)


def test_only_so_many_images(bag, engine):
    result = replay(bag, TOPIC, DEFAULTS, engine, max_images=3)
    assert len(result.recording.frames) == engine.seen == 3


def test_time_that_jumps_back_starts_a_session(images, engine, tmp_path):
    twice = [*images, *images]
    received = [START_NS + i * 200_000_000 for i in range(len(twice))]
    result = replay(
        write_bag(tmp_path / 'bag', twice, received_ns=received), TOPIC, DEFAULTS, engine
    )
    frames = result.recording.frames
    half = len(images)
    assert [f.session_id for f in frames] == [1] * half + [2] * half
    boxes = [[t.box.tobytes() for t in frame.tracks] for frame in frames]
    assert boxes[:half] == boxes[half:]
    # Each image has a number of its own, although stamps repeat.
    numbers = [number for number, _ in result.recording.numbered()]
    assert numbers == list(range(1, 2 * half + 1))
    ids = [{result.recording.unique_id(f, t) for t in f.tracks} for f in frames]
    assert not set.union(*ids[:half]) & set.union(*ids[half:])
    assert any('go back 1 times' in problem for problem in result.problems)


def test_images_without_a_stamp_are_tracked_by_their_arrival(images, engine, tmp_path):
    unstamped = [(0, picture) for _, picture in images]
    received = [stamp + DELAY_NS for stamp, _ in images]
    result = replay(
        write_bag(tmp_path / 'bag', unstamped, received_ns=received), TOPIC, DEFAULTS, engine
    )
    assert [frame.stamp_ns for frame in result.recording.frames] == received
    assert {frame.session_id for frame in result.recording.frames} == {1}
    assert any(track.age_s > 0 for frame in result.recording.frames for track in frame.tracks)
    assert any(f'{len(images)} images without a stamp' in text for text in result.problems)


def test_unreadable_images_are_left_out_and_told(images, engine, tmp_path):
    broken = list(images)
    broken[2] = (images[2][0], image_message(*images[2], encoding='strange'))
    result = replay(write_bag(tmp_path / 'bag', broken), TOPIC, DEFAULTS, engine)
    assert len(result.recording.frames) == len(images) - 1
    assert any('image 3' in problem and 'strange' in problem for problem in result.problems)


def test_a_realistic_replay_drops_what_comes_too_fast(bag, images, engine):
    # Images every 200 ms, 500 ms each: after the first, of every five two are taken.
    result = replay(bag, TOPIC, DEFAULTS, engine, realism=Realism(processing_ms=500.0))
    frames = result.recording.frames
    numbers = [frame.source_number for frame in frames]
    assert numbers[:5] == [1, 3, 6, 8, 11]
    assert result.is_realistic
    assert (
        len(frames) + len(result.dropped_ns) == len(images) == engine.seen + len(result.dropped_ns)
    )
    dropped = [images[i][0] for i in range(len(images)) if i + 1 not in numbers]
    assert list(result.dropped_ns) == dropped
    assert {frame.processing_time_s for frame in frames} == {0.5}
    assert frames[0].latency_s == pytest.approx(0.5)
    assert frames[1].latency_s == pytest.approx(0.6)
    assert frames[-1].frames_dropped == len(dropped)
    assert list(result.recording.source_stamps_ns) == [stamp for stamp, _ in images]


def test_a_fast_simulated_node_takes_all(bag, images, engine):
    result = replay(bag, TOPIC, DEFAULTS, engine, realism=Realism(processing_ms=20.0))
    assert len(result.recording.frames) == len(images)
    latencies = [frame.latency_s for frame in result.recording.frames]
    assert latencies == pytest.approx([0.02] * len(images))


def test_measured_times_stand_in_for_given_ones(bag, engine):
    result = replay(bag, TOPIC, DEFAULTS, engine, realism=Realism())
    assert all(frame.processing_time_s > 0 for frame in result.recording.frames)


def test_the_rate_is_limited_and_the_region_chosen_as_in_the_node(bag, images, engine):
    # Images come at 5 Hz.
    half = replay(bag, TOPIC, make_configuration('half', {'max_rate_hz': 2.5}), engine)
    numbers = [frame.source_number for frame in half.recording.frames]
    assert numbers == list(range(1, len(images) + 1, 2))
    assert list(half.dropped_ns) == [stamp for stamp, _ in images[1::2]]
    assert half.recording.frames[-1].frames_dropped == len(numbers) - 1
    outside = replay(bag, TOPIC, make_configuration('x', {'roi_x_px': 9999}), engine)
    assert not any(frame.tracks for frame in outside.recording.frames)
    (problem,) = outside.problems
    assert 'first in image 1' in problem
    assert 'region of interest' in problem


@pytest.mark.parametrize('processing_ms', [-1.0, float('nan'), float('inf')])
def test_impossible_processing_times_are_refused(processing_ms):
    with pytest.raises(EvaluationError, match='processing_ms'):
        Realism(processing_ms)


def test_an_interrupted_replay_keeps_what_it_has(bag, engine):
    kept = Kept()
    result = replay(
        bag, TOPIC, DEFAULTS, engine,
        make_outputs=lambda reader, topic: [kept],
        should_stop=lambda: engine.seen >= 3,
    )  # fmt: skip
    assert not result.is_complete
    assert len(result.recording.frames) == len(kept.images) == 3
    assert kept.is_closed


def test_an_error_of_the_engine_ends_the_replay(bag, engine):
    def fail():
        if engine.seen == 2:
            raise RuntimeError('out of memory')

    engine.before_each = fail
    kept = Kept()
    with pytest.raises(RuntimeError, match='out of memory'):
        replay(bag, TOPIC, DEFAULTS, engine, make_outputs=lambda reader, topic: [kept])
    assert kept.is_closed
    assert len(kept.images) == 2


def test_an_error_of_an_output_ends_the_replay(bag, engine):
    class Full(Kept):
        def add(self, image):
            raise OSError('disk full')

    with pytest.raises(OSError, match='disk full'):
        replay(bag, TOPIC, DEFAULTS, engine, make_outputs=lambda reader, topic: [Full()])


def test_the_command_can_be_interrupted(bag, engine, tmp_path, capsys):
    def interrupt():
        if engine.seen == 4:
            os.kill(os.getpid(), signal.SIGINT)

    engine.before_each = interrupt
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as end:
        run_command(engine, bag, '--output', tmp_path / 'out', '--no-report')
    assert end.value.code == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert 'interrupted' in capsys.readouterr().err
    lines = (tmp_path / 'out' / 'tracks.txt').read_text().splitlines()
    assert {int(line.split(',')[0]) for line in lines} <= {1, 2, 3, 4, 5}
    assert (tmp_path / 'out' / 'overlay.mp4').stat().st_size > 0
    assert '"is_complete": false' in (tmp_path / 'out' / 'figures.json').read_text()


def run_command(engine, bag, *arguments):
    parser = ArgumentParser()
    add_bag(parser.add_subparsers())
    options = parser.parse_args(['bag', str(bag), '--no-bag', *map(str, arguments)])
    return replay_all(options, lambda settings: engine)


def test_each_configuration_has_a_folder_of_its_own(bag, engine, tmp_path):
    for name, strategy in (('first', 'iou'), ('second', 'reid')):
        text = f'/**:\n  ros__parameters:\n    strategy: {strategy}\n'
        (tmp_path / f'{name}.yaml').write_text(text)
    report = run_command(
        engine, bag, '--no-video', '--no-report', '--output', tmp_path / 'out',
        '--config', tmp_path / 'first.yaml', tmp_path / 'second.yaml',
    )  # fmt: skip
    assert list(report) == ['first', 'second']
    assert report['first']['settings'] == {'strategy': 'iou'}
    for name in report:
        assert (tmp_path / 'out' / name / 'figures.json').is_file()
    assert not (tmp_path / 'out' / 'figures.json').exists()


def test_a_time_without_realism_is_refused(bag, engine, tmp_path):
    with pytest.raises(EvaluationError, match='--realistic'):
        run_command(engine, bag, '--processing-ms', '30', '--output', tmp_path / 'out')
