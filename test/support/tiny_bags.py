"""Small bags in every form in which ROS 2 stores them."""

from __future__ import annotations

import shutil
from pathlib import Path

import lz4.frame
import numpy as np
import yaml
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from pose_tracking_ros.recordings.message_types import (
    COMPRESSED_IMAGE_TYPE,
    IMAGE_TYPE,
    blank_message,
    fill_header,
    typestore_with_poses,
)

TOPIC = '/camera/image_raw'
WIDTH, HEIGHT = 64, 48
START_NS = 1_700_000_000_000_000_123
PERIOD_NS = 66_666_667
# Recorded some time after they were taken.
DELAY_NS = 5_000_000
# Storage, compression.
FORMS = {
    'sqlite': ('sqlite3', None),
    'sqlite_message_zstd': ('sqlite3', 'message'),
    'sqlite_file_zstd': ('sqlite3', 'file'),
    'mcap': ('mcap', None),
    'mcap_chunk_zstd': ('mcap', 'storage'),
    'mcap_chunk_lz4': ('mcap', 'lz4'),
    'mcap_message_zstd': ('mcap', 'message'),
    'mcap_file_zstd': ('mcap', 'file'),
}


def stamp_ns(index):
    return START_NS + index * PERIOD_NS


def pixels(index, width=WIDTH, height=HEIGHT):
    """Return an image that tells its index by its brightness; noise, so that it stays big."""
    noise = np.random.default_rng(index).integers(0, 5, (height, width, 3), dtype=np.uint8)
    return noise + np.uint8(10 * index % 250)


def image_message(index, stamp=None, width=WIDTH, height=HEIGHT, encoding='rgb8'):
    message = blank_message(IMAGE_TYPE)
    fill_header(message.header, stamp_ns(index) if stamp is None else stamp, 'camera')
    message.width, message.height, message.step = width, height, 3 * width
    message.encoding = encoding
    message.data = pixels(index, width, height).reshape(-1)
    return message


def compressed_message(index, data):
    message = blank_message(COMPRESSED_IMAGE_TYPE)
    fill_header(message.header, stamp_ns(index), 'camera')
    message.format = 'rgb8; jpeg compressed bgr8'
    message.data = np.frombuffer(data, dtype=np.uint8)
    return message


def write_bag(folder, messages, form='mcap', chunk_messages=3):
    """Write a bag.

    Args:
        folder: of the new bag.
        messages: topic, type, time of recording (ns) and message or CDR, in order.
        form: one of `FORMS`.
        chunk_messages: so many are in one chunk of an MCAP file.
    """
    storage, compression = FORMS[form]
    plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
    writer = Writer(folder, version=9, storage_plugin=plugin)
    if compression in ('message', 'file', 'storage'):
        writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
    writer.open()
    if compression == 'lz4':
        writer.storage.compression = 'lz4'
        writer.storage.compressor = lz4.frame.compress
    store = typestore_with_poses()
    connections = {}
    for number, (topic, kind, received_ns, message) in enumerate(messages, start=1):
        if topic not in connections:
            connections[topic] = writer.add_connection(topic, kind, typestore=store)
        cdr = message if isinstance(message, bytes) else store.serialize_cdr(message, kind)
        writer.write(connections[topic], received_ns, cdr)
        if storage == 'mcap' and number % chunk_messages == 0:
            writer.storage.close_chunk()
    writer.close()
    return folder


def image_entries(count, first=0):
    return [
        (TOPIC, IMAGE_TYPE, stamp_ns(i) + DELAY_NS, image_message(i))
        for i in range(first, first + count)
    ]


def write_images(folder, count=12, form='mcap', first=0):
    """Write a bag of `count` images and nothing else."""
    return write_bag(folder, image_entries(count, first), form)


def storage_file(folder: Path) -> Path:
    """Return the only file of a bag besides its metadata."""
    (file,) = (one for one in folder.iterdir() if one.name != 'metadata.yaml')
    return file


def merge(target: Path, parts: list[Path]) -> Path:
    """Put the files of several bags into one, as a recorder that splits by size or time does."""
    target.mkdir()
    merged = None
    for number, part in enumerate(parts):
        file = storage_file(part)
        name = f'{target.name}_{number}{"".join(file.suffixes)}'
        shutil.copy(file, target / name)
        content = yaml.safe_load((part / 'metadata.yaml').read_text())
        information = content['rosbag2_bagfile_information']
        if merged is None:
            merged = content
            information['relative_file_paths'] = []
        total = merged['rosbag2_bagfile_information']
        total['relative_file_paths'].append(name)
        if number:
            for mine, other in zip(
                total['topics_with_message_count'],
                information['topics_with_message_count'],
                strict=True,
            ):
                mine['message_count'] += other['message_count']
    (target / 'metadata.yaml').write_text(yaml.safe_dump(merged))
    return target
