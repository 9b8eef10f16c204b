"""Bags made of scenes, videos and folders: what is in them, and that they appear whole."""

import json

import cv2
import numpy as np
import pytest
from rich.console import Console

from pose_tracking_ros.evaluation.__main__ import main
from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay import make_bag as module
from pose_tracking_ros.evaluation.replay.ground_truth import (
    TRUTH_TOPIC,
    load_ground_truth,
    match_truth,
    truth_from_scene,
)
from pose_tracking_ros.evaluation.replay.make_bag import (
    COMPRESSED_TOPIC,
    IMAGE_TOPIC,
    INFO_TOPIC,
    BagPlan,
    make_bag,
)
from pose_tracking_ros.evaluation.replay.make_bag_command import parse_stamp
from pose_tracking_ros.evaluation.replay.truth_scene import START_STAMP_NS
from pose_tracking_ros.recordings.bag_reader import BagReader
from pose_tracking_ros.simulation.scenes import make_scene

QUIET = Console(quiet=True)
SIZE = (96, 64)
SCENE = {'image_size': SIZE, 'duration_s': 1.0, 'rate_hz': 6.0}


@pytest.fixture
def folder(tmp_path):
    """Return a folder of five images that tell their index by their brightness."""
    path = tmp_path / 'images'
    path.mkdir()
    for index in range(5):
        image = np.full((SIZE[1], SIZE[0], 3), 20 * index + 10, dtype=np.uint8)
        assert cv2.imwrite(str(path / f'{index}.png'), image)
    return path


def make(tmp_path, source, name='bag', **changes):
    plan = BagPlan(source=str(source), output=tmp_path / name, **changes)
    return make_bag(plan, QUIET)


def test_a_scene_comes_back_to_the_last_bit(tmp_path):
    made = make(tmp_path, 'simulation:crossing', seed=3, **SCENE)
    scene = make_scene('crossing', seed=3, **SCENE)
    assert (made.images, made.truths, made.unused_truths) == (6, 6, 0)
    with BagReader(made.path) as bag:
        assert {t.name: t.count for t in bag.topics.values()} == {
            IMAGE_TOPIC: 6,
            INFO_TOPIC: 6,
            TRUTH_TOPIC: 6,
        }
        images = list(bag.images(IMAGE_TOPIC))
        truth = load_ground_truth(TRUTH_TOPIC, bag)
        infos = [info for _, info in bag.messages(INFO_TOPIC)]
        poses = [message for _, message in bag.messages(TRUTH_TOPIC)]
        assert bag.problems == []
    for index, image in enumerate(images):
        np.testing.assert_array_equal(image.rgb(), scene.render(index))
        assert image.stamp_ns == image.received_ns == START_STAMP_NS + round(index / 6 * 1e9)
    expected = truth_from_scene(scene)
    assert [one.stamp_ns for one in expected.frames] == [image.stamp_ns for image in images]
    assert truth.has_keypoints == expected.has_keypoints
    assert sum(map(len, truth.frames)) > 6
    for one, other in zip(truth.frames, expected.frames, strict=True):
        assert one.stamp_ns == other.stamp_ns
        for name in ('person_ids', 'boxes', 'keypoints', 'keypoint_visible', 'is_ignored'):
            mine, theirs = getattr(one, name), getattr(other, name)
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs)
    match = match_truth(truth, [image.stamp_ns for image in images])
    assert list(match.missing_ns) == list(match.extra_ns) == []
    fx, _, cx, _, fy, cy = infos[0].k[:6]
    # ROS counts pixel middles as whole numbers.
    assert (fx, fy, cx + 0.5, cy + 0.5) == scene.camera_intrinsics
    assert (infos[0].width, infos[0].height) == SIZE
    assert {m.header.frame_id for m in (*infos, *poses)} == {images[0].message.header.frame_id}
    assert [m.sequence for m in poses] == list(range(1, 7))
    assert (poses[0].image_width, poses[0].image_height) == SIZE


def test_the_same_plan_gives_the_same_bytes(tmp_path):
    contents = []
    for name in ('a', 'b'):
        made = make(tmp_path / name, 'simulation:crossing', **SCENE)
        contents.append({one.name: one.read_bytes() for one in made.path.iterdir()})
        assert made.size_bytes == sum(map(len, contents[-1].values()))
    assert contents[0] == contents[1]
    assert len(contents[0]) == 2


def test_a_folder_with_mot_truth(tmp_path, folder):
    path = tmp_path / 'gt.txt'
    path.write_text('1,3,11,21,30,40\n4,3,12,21,30,40\n9,3,12,21,30,40\n')
    made = make(tmp_path, folder, annotations=path, rate_hz=4.0, start_ns=7 * 10**9)
    assert (made.images, made.truths, made.unused_truths) == (5, 5, 4)
    with BagReader(made.path) as bag:
        images = list(bag.images(IMAGE_TOPIC))
        truth = load_ground_truth(TRUTH_TOPIC, bag)
        (_, info), *_ = bag.messages(INFO_TOPIC)
    assert [image.stamp_ns for image in images] == [7 * 10**9 + i * 250_000_000 for i in range(5)]
    assert [int(image.rgb()[0, 0, 0]) for image in images] == [10, 30, 50, 70, 90]
    assert [len(one) for one in truth.frames] == [1, 0, 0, 1, 0]
    assert truth.frames[3].boxes.tolist() == [[11, 20, 41, 60]]
    # Nobody knows this camera.
    assert info.k[0] == 0


def test_a_video_keeps_its_images_and_the_duration_cuts_them(tmp_path):
    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10.0, SIZE)
    for index in range(8):
        writer.write(np.full((SIZE[1], SIZE[0], 3), 20 * index + 10, dtype=np.uint8))
    writer.release()
    made = make(tmp_path, path, duration_s=0.5)
    with BagReader(made.path) as bag:
        stamps = bag.stamps(IMAGE_TOPIC)
        assert TRUTH_TOPIC not in bag.topics
    assert stamps == [START_STAMP_NS + i * 100_000_000 for i in range(5)]
    # Another rate changes the stamps, not the images.
    made = make(tmp_path, path, 'slow', rate_hz=2.0)
    with BagReader(made.path) as bag:
        assert bag.stamps(IMAGE_TOPIC) == [START_STAMP_NS + i * 500_000_000 for i in range(8)]


def test_compressed_images(tmp_path, folder):
    made = make(tmp_path, folder, jpeg_quality=80)
    assert made.image_topic == COMPRESSED_TOPIC
    with BagReader(made.path) as bag:
        images = list(bag.images(COMPRESSED_TOPIC))
        assert IMAGE_TOPIC not in bag.topics
    for index, image in enumerate(images):
        np.testing.assert_allclose(image.rgb().astype(int), 20 * index + 10, atol=3)
        assert image.message.format == 'rgb8; jpeg compressed bgr8'


def test_an_interrupt_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    written = []

    def interrupt(*arguments):
        written.append(arguments)
        if len(written) == 3:
            raise KeyboardInterrupt
        return frame_from_scene(*arguments)

    frame_from_scene = module.frame_from_scene
    monkeypatch.setattr(module, 'frame_from_scene', interrupt)
    arguments = ['make-bag', 'simulation:crossing', str(tmp_path / 'bag'), '--duration-s', '1']
    with pytest.raises(SystemExit) as exit_:
        main([*arguments, '--image-size', '96x64'])
    assert exit_.value.code == 130
    assert 'interrupted' in capsys.readouterr().err
    assert len(written) == 3
    assert list(tmp_path.iterdir()) == []


def test_an_existing_bag_is_replaced_only_when_asked_and_only_by_a_whole_one(
    tmp_path, folder, monkeypatch
):
    made = make(tmp_path, folder)
    before = {one.name: one.read_bytes() for one in made.path.iterdir()}
    with pytest.raises(EvaluationError, match='it is there already; .* --force'):
        make(tmp_path, folder)
    monkeypatch.setattr(module, '_jpeg', lambda image, quality: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make(tmp_path, folder, jpeg_quality=50, overwrite=True)
    assert {one.name: one.read_bytes() for one in made.path.iterdir()} == before
    monkeypatch.undo()
    make(tmp_path, folder, duration_s=0.2, overwrite=True)
    with BagReader(made.path) as bag:
        assert len(bag.stamps(IMAGE_TOPIC)) == 2
    assert sorted(one.name for one in tmp_path.iterdir()) == ['bag', 'images']


def test_what_is_no_bag_is_never_replaced(tmp_path, folder):
    with pytest.raises(EvaluationError, match='expected a bag to replace, got something else'):
        make(tmp_path, folder, 'images', overwrite=True)
    assert len(list(folder.iterdir())) == 5


@pytest.mark.parametrize(
    ('source', 'changes', 'message'),
    [
        ('simulation:crossing', {'rate_hz': 0.0}, '--rate-hz: expected more than 0'),
        ('simulation:crossing', {'duration_s': float('nan')}, '--duration-s: expected more than'),
        ('simulation:crossing', {'jpeg_quality': 101}, '--compressed: .* 1 to 100, got 101'),
        ('simulation:crossing', {'start_ns': -1}, '--start-stamp: expected a time'),
        ('simulation:crossing', {'annotations': 'x'}, '--annotations: .*its own truth'),
        ('clip.mp4', {'seed': 1}, '--seed: expected only with simulation'),
        ('clip.mp4', {'image_size': (9, 9)}, '--image-size: expected only with simulation'),
        ('clip.mp4', {}, 'there is no such file'),
        ('0', {}, '0: expected a video file.*got a camera'),
        ('simulation:nowhere', {}, "scene: expected one of street.*got 'nowhere'"),
    ],
)
def test_what_cannot_be_made(tmp_path, source, changes, message):
    with pytest.raises(ValueError, match=message):
        make(tmp_path, source, **changes)
    assert list(tmp_path.iterdir()) == []


def test_annotations_are_checked_before_anything_is_written(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(module, 'BagWriter', lambda folder: pytest.fail('began to write'))
    path = tmp_path / 'gt.txt'
    path.write_text('1,3,11,21,0,40\n')
    with pytest.raises(EvaluationError, match='gt.txt: line 1, field width'):
        make(tmp_path, folder, annotations=path)
    image = {'id': 1, 'width': 2 * SIZE[0], 'height': SIZE[1]}
    content = {'images': [image], 'annotations': [], 'categories': [{'id': 1, 'name': 'person'}]}
    path.write_text(json.dumps(content))
    with pytest.raises(EvaluationError, match='expected 96x64 px .* got 192x64 px'):
        make(tmp_path, folder, annotations=path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ['gt.txt', 'images']


def test_command_line(tmp_path, folder, capsys):
    bag = tmp_path / 'new' / 'bag'
    arguments = [
        'make-bag',
        str(folder),
        str(bag),
        '--compressed',
        '--start-stamp',
        '12.000000001',
    ]
    assert main(arguments) == 0
    assert f'5 images on {COMPRESSED_TOPIC}' in capsys.readouterr().out
    with BagReader(bag) as reader:
        assert reader.stamps(COMPRESSED_TOPIC)[0] == 12_000_000_001
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith('error: ')


def test_stamps_keep_their_digits():
    assert parse_stamp('1700000000.123456789') == 1_700_000_000_123_456_789
    for text in ('now', 'nan', 'inf'):
        with pytest.raises(Exception, match='expected a number of seconds'):
            parse_stamp(text)
