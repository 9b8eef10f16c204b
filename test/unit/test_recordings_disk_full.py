"""A disk that is full while a bag is written: one sentence, and what was written is readable."""

import errno
import subprocess
import sys

import pytest

from pose_tracking_ros.recordings.bag_reader import BagReader
from pose_tracking_ros.recordings.bag_writer import BagWriteError, BagWriter

# A limit on the size of files, of which the system complains as of a full disk.
WRITE = """
import resource, sys
from pathlib import Path
from pose_tracking_ros.recordings.bag_writer import BagWriteError, BagWriter
from pose_tracking_ros.recordings.message_types import typestore_with_poses

resource.setrlimit(resource.RLIMIT_FSIZE, (8_000_000, 8_000_000))
String = typestore_with_poses().types['std_msgs/msg/String']
try:
    with BagWriter(Path(sys.argv[1])) as bag:
        bag.add('/words', 'std_msgs/msg/String')
        for number in range(2000):
            bag.write_message('/words', number + 1, String(f'{number:05d}' + 'x' * 10_000))
except BagWriteError as error:
    print(number)
    sys.exit(str(error))
"""


def test_what_was_written_before_a_full_disk_is_readable(tmp_path):
    bag = tmp_path / 'bag'
    ended = subprocess.run(
        [sys.executable, '-c', WRITE, str(bag)], capture_output=True, text=True, timeout=100
    )
    assert ended.returncode == 1
    assert 'Traceback' not in ended.stderr
    for words in (str(bag), 'cannot be written any further', 'MB are free', 'another disk'):
        assert words in ended.stderr
    written = int(ended.stdout)
    assert 0 < written < 1999
    with BagReader(bag) as reader:
        words = [message.data[:5] for _, message in reader.messages('/words')]
    assert words == [f'{number:05d}' for number in range(len(words))]
    assert written - 200 < len(words) <= written


class _FullDisk:
    """Stands for rosbags' writer on a full disk."""

    def __init__(self, *arguments, **options):
        self.connections = []

    def open(self):
        pass

    def add_connection(self, topic, type_name, **options):
        return topic

    def write(self, *arguments):
        raise OSError(errno.ENOSPC, 'No space left on device')

    def close(self):
        raise OSError(errno.EIO, 'Input/output error')


@pytest.fixture
def full_disk(monkeypatch):
    monkeypatch.setattr('pose_tracking_ros.recordings.bag_writer.Writer', _FullDisk)


def test_the_error_of_writing_is_not_hidden_by_that_of_closing(full_disk, tmp_path):
    def write():
        with BagWriter(tmp_path) as bag:
            bag.add('/words', 'std_msgs/msg/String')
            bag.write('/words', 1, b'first')

    with pytest.raises(BagWriteError, match='No space left on device') as caught:
        write()
    assert caught.value.__cause__.args[0] == errno.ENOSPC


def test_a_bag_that_cannot_be_closed_is_told_too(full_disk, tmp_path):
    with pytest.raises(BagWriteError, match='Input/output error'), BagWriter(tmp_path):
        pass


def test_the_demo_ends_with_one_sentence(monkeypatch, capsys, tmp_path):
    from pose_tracking_ros.demo import __main__ as demo

    def run(options, console):
        raise BagWriteError('bag demo/bag: cannot be written any further: full')

    monkeypatch.setattr(demo, 'run_demo', run)
    assert demo.main(['--video', 'simulation', '--output', str(tmp_path)]) == 1
    assert capsys.readouterr().err == ('demo: bag demo/bag: cannot be written any further: full\n')


def test_a_replay_ends_with_one_sentence(full_disk, monkeypatch, capsys, tmp_path):
    from pose_tracking_ros.evaluation import __main__ as evaluation
    from pose_tracking_ros.evaluation.replay import command

    def run(options, load):
        with BagWriter(tmp_path) as bag:
            bag.add('/words', 'std_msgs/msg/String')
            bag.write('/words', 1, b'first')

    monkeypatch.setattr(command, 'replay_all', run)
    assert evaluation.main(['bag', str(tmp_path)]) == 2
    assert 'error: bag' in capsys.readouterr().err
