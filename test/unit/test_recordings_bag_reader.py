"""Every form in which ROS 2 stores bags gives the same images, and odd ones are told of."""

import shutil
import sqlite3

import cv2
import numpy as np
import pytest
import yaml
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from tiny_bags import (
    DELAY_NS,
    FORMS,
    HEIGHT,
    START_NS,
    TOPIC,
    WIDTH,
    compressed_message,
    image_entries,
    image_message,
    merge,
    pixels,
    stamp_ns,
    storage_file,
    write_bag,
    write_images,
)

from pose_tracking_ros.recordings.bag_reader import BagError, BagReader
from pose_tracking_ros.recordings.bag_writer import BagWriter
from pose_tracking_ros.recordings.message_types import (
    CAMERA_INFO_TYPE,
    COMPRESSED_IMAGE_TYPE,
    IMAGE_TYPE,
    POSES_TYPE,
    blank_message,
    typestore_with_poses,
)


def serialised(message, kind=IMAGE_TYPE):
    return typestore_with_poses().serialize_cdr(message, kind)


def read(path, topic=TOPIC):
    with BagReader(path) as bag:
        return list(bag.images(topic)), bag.problems


def assert_whole(images, count):
    assert [image.number for image in images] == list(range(1, count + 1))
    assert [image.stamp_ns for image in images] == [stamp_ns(i) for i in range(count)]
    assert [image.received_ns for image in images] == [
        stamp_ns(i) + DELAY_NS for i in range(count)
    ]
    for index, image in enumerate(images):
        np.testing.assert_array_equal(image.rgb(), pixels(index))


@pytest.mark.parametrize('form', FORMS)
def test_every_form_gives_the_same_images(tmp_path, form):
    bag = write_images(tmp_path / 'bag', 10, form)
    images, problems = read(bag)
    assert_whole(images, 10)
    assert problems == []
    with BagReader(bag) as reader:
        assert reader.stamps(TOPIC) == [stamp_ns(i) for i in range(10)]
        sent = [bytes(serialised(message)) for *_, message in image_entries(10)]
        assert [stored.cdr for stored in reader.raw(TOPIC)] == sent
        assert {t.name: (t.type, t.count) for t in reader.topics.values()} == {
            TOPIC: (IMAGE_TYPE, 10)
        }
        assert reader.image_topics == [TOPIC]


@pytest.mark.parametrize('form', FORMS)
def test_a_single_file_without_its_folder_is_enough(tmp_path, form):
    file = storage_file(write_images(tmp_path / 'bag', 10, form))
    alone = shutil.move(file, tmp_path / file.name)
    images, problems = read(tmp_path / alone)
    assert_whole(images, 10)
    assert problems == []


@pytest.mark.parametrize('form', ['sqlite', 'mcap', 'mcap_file_zstd'])
def test_split_bags_are_read_in_their_order(tmp_path, form):
    # Eleven parts: sorted as text, 10 would come before 2.
    parts = [write_images(tmp_path / f'part{i}', 1, form, first=i) for i in range(11)]
    bag = merge(tmp_path / 'bag', parts)
    images, problems = read(bag)
    assert_whole(images, 11)
    assert problems == []
    (bag / 'metadata.yaml').unlink()
    images, problems = read(bag)
    assert_whole(images, 11)
    assert len(problems) == 1
    assert 'metadata.yaml is missing' in problems[0]


def test_a_missing_part_is_told_of(tmp_path):
    parts = [write_images(tmp_path / f'part{i}', 2, first=2 * i) for i in range(3)]
    bag = merge(tmp_path / 'bag', parts)
    (bag / 'bag_1.mcap').unlink()
    images, problems = read(bag)
    assert [image.stamp_ns for image in images] == [stamp_ns(i) for i in (0, 1, 4, 5)]
    assert any('bag_1.mcap' in p and 'missing' in p for p in problems)
    assert any('2 of 6 messages' in p for p in problems)


def test_a_part_that_the_metadata_do_not_know_is_read_too(tmp_path):
    bag = write_images(tmp_path / 'bag', 3)
    last = storage_file(write_images(tmp_path / 'last', 2, first=3))
    shutil.copy(last, bag / 'bag_1.mcap')
    images, problems = read(bag)
    assert_whole(images, 5)
    assert len(problems) == 1
    assert 'bag_1.mcap' in problems[0]


@pytest.mark.parametrize(
    'content', ['', ': nonsense [', 'other: 1', 'rosbag2_bagfile_information: {}']
)
def test_unusable_metadata_are_done_without(tmp_path, content):
    bag = write_images(tmp_path / 'bag', 4)
    (bag / 'metadata.yaml').write_text(content)
    images, problems = read(bag)
    assert_whole(images, 4)
    assert len(problems) == 1
    assert 'metadata.yaml' in problems[0]


def test_files_named_by_old_versions_with_their_folder(tmp_path):
    bag = write_images(tmp_path / 'bag', 3, 'sqlite')
    metadata = yaml.safe_load((bag / 'metadata.yaml').read_text())
    metadata['rosbag2_bagfile_information']['relative_file_paths'] = ['bag/bag.db3']
    (bag / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    images, problems = read(bag)
    assert_whole(images, 3)
    assert problems == []


def test_an_old_database_without_definitions(tmp_path):
    bag = write_images(tmp_path / 'bag', 3, 'sqlite')
    with sqlite3.connect(storage_file(bag)) as database:
        for table in ('message_definitions', 'schema', 'metadata'):
            database.execute(f'DROP TABLE {table}')
    database.close()
    images, problems = read(bag)
    assert_whole(images, 3)
    assert problems == []


def test_a_database_with_its_write_ahead_log(tmp_path):
    bag = write_images(tmp_path / 'bag', 3, 'sqlite')
    file = storage_file(bag)
    recorder = sqlite3.connect(file, isolation_level=None)
    recorder.execute('PRAGMA journal_mode=WAL')
    cdr = bytes(serialised(image_message(3)))
    recorder.execute(
        'INSERT INTO messages (topic_id, timestamp, data) VALUES (1, ?, ?)',
        (stamp_ns(3) + DELAY_NS, cdr),
    )
    # What a recorder leaves that is killed here.
    killed = tmp_path / 'killed'
    killed.mkdir()
    for name in (file.name, f'{file.name}-wal'):
        shutil.copy(bag / name, killed / name)
    recorder.close()
    before = sorted(killed.iterdir())
    images, problems = read(killed)
    assert_whole(images, 4)
    assert any('write-ahead log' in problem for problem in problems)
    assert sorted(killed.iterdir()) == before, 'the recording is not to be changed'


@pytest.mark.parametrize('storage', StoragePlugin)
def test_types_are_taken_from_the_bag(tmp_path, storage):
    name = 'other_msgs/msg/Thing'
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg('std_msgs/Header header\nint32 number\n', name))
    message = store.types[name](
        header=store.types['std_msgs/msg/Header'](
            stamp=store.types['builtin_interfaces/msg/Time'](sec=1, nanosec=2), frame_id='x'
        ),
        number=7,
    )
    with Writer(tmp_path / 'bag', version=9, storage_plugin=storage) as writer:
        topic = writer.add_connection('/things', name, typestore=store)
        writer.write(topic, 5, store.serialize_cdr(message, name))
        writer.write(topic, 6, b'\x00\x01\x00\x00\x01')
    with BagReader(tmp_path / 'bag') as bag:
        ((received_ns, thing),) = bag.messages('/things')
        assert (received_ns, thing.number, thing.header.frame_id) == (5, 7, 'x')
        assert len(bag.problems) == 1
        assert '/things: 1 messages are left out' in bag.problems[0]
        assert [stored.received_ns for stored in bag.raw('/things')] == [5, 6]


def test_a_type_that_nobody_knows(tmp_path):
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg('int32 number\n', 'other_msgs/msg/Thing'))
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        topic = writer.add_connection('/things', 'other_msgs/msg/Thing', typestore=store)
        writer.write(topic, 5, b'\x00\x01\x00\x00\x07\x00\x00\x00')
    with sqlite3.connect(storage_file(tmp_path / 'bag')) as database:
        database.execute('DELETE FROM message_definitions')
    database.close()
    with (
        BagReader(tmp_path / 'bag') as bag,
        pytest.raises(BagError, match='other_msgs/msg/Thing.*the bag does not describe it'),
    ):
        list(bag.messages('/things'))


def test_messages_come_by_the_time_of_recording(tmp_path):
    entries = image_entries(6)
    # A message that waited in the recorder's queue was written late, with its time of arrival.
    for form in ('mcap', 'sqlite'):
        bag = write_bag(tmp_path / form, [*entries[1:], entries[0]], form, chunk_messages=2)
        images, problems = read(bag)
        assert_whole(images, 6)
        assert problems == []


@pytest.mark.parametrize('form', ['mcap', 'sqlite'])
def test_odd_stamps_lose_no_image_and_are_told_of(tmp_path, form):
    # Sorted by time of recording, the stamps are: 5 s, 6 s, 6 s, 2 s, 3 s, none.
    stamps = [5, 6, 6, 2, 3, 0]
    entries = [
        (TOPIC, IMAGE_TYPE, 100 + i, image_message(i, stamp=stamp * 10**9))
        for i, stamp in enumerate(stamps)
    ]
    bag = write_bag(tmp_path / 'bag', entries, form)
    images, problems = read(bag)
    assert [image.stamp_ns for image in images] == [stamp * 10**9 for stamp in stamps]
    assert len(problems) == 3
    assert '1 of 6 images have no stamp' in problems[0]
    assert 'go back 2 times, first from 6.000000000 s to 2.000000000 s' in problems[1]
    assert '1 images have the same stamp' in problems[2]
    with BagReader(bag) as reader:
        # As the replay takes them: without a stamp, the time of recording.
        assert reader.stamps(TOPIC) == [5 * 10**9, 6 * 10**9, 6 * 10**9, 2 * 10**9, 3 * 10**9, 105]


def test_images_of_several_sizes(tmp_path):
    entries = image_entries(3)
    entries.append((TOPIC, IMAGE_TYPE, stamp_ns(9), image_message(3, width=32, height=24)))
    images, problems = read(write_bag(tmp_path / 'bag', entries))
    assert [image.rgb().shape for image in images] == [(48, 64, 3)] * 3 + [(24, 32, 3)]
    assert problems == [f'{TOPIC}: the images differ in size: 64x48 px (3), 32x24 px (1).']


def test_unreadable_images_are_counted_and_keep_their_numbers(tmp_path):
    entries = image_entries(4)
    entries[1] = (TOPIC, IMAGE_TYPE, entries[1][2], image_message(1, encoding='odd'))
    entries[2] = (TOPIC, IMAGE_TYPE, entries[2][2], b'\x00\x01\x00\x00\x01')
    bag = write_bag(tmp_path / 'bag', entries)
    with BagReader(bag) as reader:
        assert [image.number for image in reader.images(TOPIC)] == [1, 4]
        assert len(reader.problems) == 1
        assert '2 images are left out' in reader.problems[0]
        assert 'image 2: encoding: expected' in reader.problems[0]
        # Reading again tells the same once.
        assert len(list(reader.images(TOPIC))) == 2
        assert len(reader.problems) == 1
        assert len(reader.stamps(TOPIC)) == 4


def test_compressed_images(tmp_path):
    image = np.full((HEIGHT, WIDTH, 3), (200, 100, 50), dtype=np.uint8)
    _, jpeg = cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    topic = '/camera/image_raw/compressed'
    entries = [
        (topic, COMPRESSED_IMAGE_TYPE, stamp_ns(0), compressed_message(0, jpeg.tobytes())),
        (topic, COMPRESSED_IMAGE_TYPE, stamp_ns(1), compressed_message(1, jpeg.tobytes()[:99])),
    ]
    images, problems = read(write_bag(tmp_path / 'bag', entries), topic)
    assert [one.number for one in images] == [1]
    np.testing.assert_allclose(images[0].rgb().astype(int), image, atol=4)
    assert 'end marker' in problems[0]


def test_a_topic_that_is_not_there_or_holds_something_else(tmp_path):
    with BagWriter(tmp_path / 'bag') as writer:
        writer.add(TOPIC, IMAGE_TYPE)
        writer.add('/camera/camera_info', CAMERA_INFO_TYPE)
        writer.add('/empty', IMAGE_TYPE)
        writer.write_message(TOPIC, START_NS, image_message(0))
        writer.write_message('/camera/camera_info', START_NS, blank_message(CAMERA_INFO_TYPE))
    with BagReader(tmp_path / 'bag') as bag:
        present = f'It holds: {TOPIC} \\({IMAGE_TYPE}, 1\\), /camera/camera_info'
        with pytest.raises(BagError, match=f'expected topic /nothing.*{present}'):
            list(bag.images('/nothing'))
        with pytest.raises(BagError, match=f'{IMAGE_TYPE} or .*, got {CAMERA_INFO_TYPE}'):
            list(bag.images('/camera/camera_info'))
        with pytest.raises(BagError, match='topic /empty holds no image'):
            list(bag.images('/empty'))
        with pytest.raises(BagError, match='expected topic /nothing'):
            list(bag.messages('/nothing'))
        assert bag.image_topics == [TOPIC, '/empty']


def test_no_image_can_be_decoded(tmp_path):
    entries = [(TOPIC, IMAGE_TYPE, i, image_message(i, encoding='odd')) for i in range(3)]
    with (
        BagReader(write_bag(tmp_path / 'bag', entries)) as bag,
        pytest.raises(
            BagError, match='no image of /camera/image_raw is readable.*3 images.*encoding'
        ),
    ):
        list(bag.images(TOPIC))


@pytest.mark.parametrize('form', ['mcap', 'sqlite'])
def test_an_empty_bag(tmp_path, form):
    bag = write_bag(tmp_path / 'bag', [], form)
    with BagReader(bag) as reader:
        assert reader.topics == {}
        with pytest.raises(BagError, match='the bag holds no topic'):
            list(reader.images(TOPIC))


def test_what_is_no_bag(tmp_path):
    with pytest.raises(BagError, match='there is no such file or folder'):
        BagReader(tmp_path / 'nothing')
    with pytest.raises(BagError, match='the folder holds no such file'):
        BagReader(tmp_path)
    (tmp_path / 'notes.txt').write_text('hello')
    with pytest.raises(BagError, match='got another file'):
        BagReader(tmp_path / 'notes.txt')
    (tmp_path / 'a.mcap').write_text('hello')
    with pytest.raises(BagError, match='a.mcap: expected an MCAP or SQLite file.*68 65 6c'):
        BagReader(tmp_path / 'a.mcap')
    (tmp_path / 'a.mcap').write_text('')
    with pytest.raises(BagError, match='starts with nothing'):
        BagReader(tmp_path / 'a.mcap')
    bag = write_images(tmp_path / 'bag', 2)
    storage_file(bag).unlink()
    with pytest.raises(BagError, match='the files that metadata.yaml lists \\(bag.mcap\\)'):
        BagReader(bag)


def test_one_unreadable_part_does_not_spoil_the_others(tmp_path):
    parts = [write_images(tmp_path / f'part{i}', 2, first=2 * i) for i in range(2)]
    bag = merge(tmp_path / 'bag', parts)
    (bag / 'bag_0.mcap').write_bytes(b'\0' * 100)
    images, problems = read(bag)
    assert [image.stamp_ns for image in images] == [stamp_ns(2), stamp_ns(3)]
    assert any('bag_0.mcap' in p and 'this part is lost' in p for p in problems)


def test_writer_gives_the_same_bytes_and_keeps_topics_apart(tmp_path):
    files = []
    for name in ('a/bag', 'b/bag'):
        with BagWriter(tmp_path / name) as writer:
            writer.add(TOPIC, IMAGE_TYPE)
            writer.add('/poses', POSES_TYPE)
            for index in range(3):
                writer.write_message(TOPIC, stamp_ns(index), image_message(index))
                writer.write_message('/poses', stamp_ns(index), blank_message(POSES_TYPE))
            with pytest.raises(KeyError):
                writer.write('/other', 0, b'')
        files.append({one.name: one.read_bytes() for one in (tmp_path / name).iterdir()})
    assert files[0] == files[1]
    with BagReader(tmp_path / 'a' / 'bag') as bag:
        assert len(list(bag.images(TOPIC))) == 3
        assert [message.poses for _, message in bag.messages('/poses')] == [[], [], []]
