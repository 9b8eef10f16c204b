"""Bags that are cut off, without index, or damaged: what is left is read, what is lost is told."""

import struct
from contextlib import suppress

import numpy as np
import pytest
from tiny_bags import (
    DELAY_NS,
    FORMS,
    TOPIC,
    image_entries,
    merge,
    pixels,
    stamp_ns,
    storage_file,
    write_bag,
    write_images,
)

from pose_tracking_ros.recordings.bag_compression import decompress_chunk, zstd
from pose_tracking_ros.recordings.bag_parts import time_text
from pose_tracking_ros.recordings.bag_reader import BagError, BagReader

COUNT = 12
# Of a record: opcode and length.
RECORD = struct.Struct('<BQ')
FOOTER_BYTES = 9 + 20 + 8


def read(path):
    """Return indices and problems, after checking that images belong to their stamps."""
    with BagReader(path) as bag:
        indices = []
        for image in bag.images(TOPIC):
            index = (image.stamp_ns - stamp_ns(0)) // (stamp_ns(1) - stamp_ns(0))
            assert image.stamp_ns == stamp_ns(index)
            np.testing.assert_array_equal(image.rgb(), pixels(index))
            indices.append(index)
        return indices, bag.problems


def records(data):
    """Yield opcode, start and end of the records of an MCAP file."""
    position = 8
    while position < len(data) - 8:
        opcode, length = RECORD.unpack_from(data, position)
        yield opcode, position, position + RECORD.size + length
        position += RECORD.size + length


def without(data, *opcodes):
    """Return an MCAP file without some records, and with a footer that knows of no summary."""
    kept = [data[a:b] for opcode, a, b in records(data) if opcode not in (*opcodes, 0x02)]
    footer = RECORD.pack(0x02, 20) + bytes(20)
    return data[:8] + b''.join(kept) + footer + data[:8]


@pytest.mark.parametrize('form', ['mcap', 'mcap_chunk_zstd', 'mcap_chunk_lz4', 'sqlite'])
def test_a_file_cut_off_anywhere_gives_what_came_before(tmp_path, form):
    bag = write_images(tmp_path / 'bag', COUNT, form)
    file = storage_file(bag)
    data = file.read_bytes()
    most = 0
    for share in np.linspace(0.02, 0.999, 14):
        file.write_bytes(data[: int(share * len(data))])
        try:
            indices, problems = read(bag)
        except BagError:
            # Only as long as there is no image.
            assert most == 0
            continue
        assert indices == list(range(len(indices)))
        assert len(indices) >= most
        most = len(indices)
        assert any(file.name in problem for problem in problems)
        last = time_text(stamp_ns(most - 1) + DELAY_NS)
        assert any(f'{most} messages are readable; the last' in p and last in p for p in problems)
        assert (most == COUNT) == (
            not any(f'{COUNT - most} of {COUNT} messages' in problem for problem in problems)
        )
    # The last page of a database holds part of its last message.
    assert most >= COUNT - (form == 'sqlite')


@pytest.mark.parametrize('form', ['mcap_file_zstd', 'sqlite_file_zstd'])
def test_a_compressed_file_cut_off_gives_what_could_be_decompressed(tmp_path, form):
    count = 60
    bag = write_images(tmp_path / 'bag', count, form)
    file = storage_file(bag)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 2 // 3])
    indices, problems = read(bag)
    assert 10 < len(indices) < count
    assert indices == list(range(len(indices)))
    assert any('what could be decompressed is used' in problem for problem in problems)
    assert any(f'{count - len(indices)} of {count} messages' in problem for problem in problems)


def test_the_chunk_in_which_the_file_ends_is_read_up_to_there(tmp_path):
    bag = write_bag(tmp_path / 'bag', image_entries(COUNT), chunk_messages=100)
    file = storage_file(bag)
    data = file.read_bytes()
    (chunk,) = [(a, b) for opcode, a, b in records(data) if opcode == 0x06]
    # All but the last message and a half.
    file.write_bytes(data[: chunk[1] - 3 * 48 * 64 * 3 // 2])
    indices, _ = read(bag)
    assert indices == list(range(COUNT - 2))


def test_a_recorder_that_was_killed(tmp_path):
    bag = write_images(tmp_path / 'bag', COUNT)
    file = storage_file(bag)
    data = file.read_bytes()
    end = max(b for opcode, _, b in records(data) if opcode in (0x06, 0x07))
    file.write_bytes(data[:end])
    (bag / 'metadata.yaml').unlink()
    indices, problems = read(bag)
    assert indices == list(range(COUNT))
    assert any('not closed and has no index' in problem for problem in problems)
    # Pages that never reached the disk are zeros.
    file.write_bytes(data[:end] + bytes(5000))
    indices, problems = read(bag)
    assert indices == list(range(COUNT))
    assert any('cut off or damaged' in problem for problem in problems)


def test_an_index_that_is_missing(tmp_path):
    bag = write_images(tmp_path / 'bag', COUNT)
    file = storage_file(bag)
    file.write_bytes(without(file.read_bytes(), 0x08, 0x0B, 0x0D, 0x0E))
    indices, problems = read(bag)
    assert indices == list(range(COUNT))
    assert problems == ['bag.mcap: it has no index; it was read from its beginning instead.']


def test_chunks_whose_messages_are_not_indexed_are_not_passed_over(tmp_path):
    bag = write_images(tmp_path / 'bag', COUNT)
    file = storage_file(bag)
    data = bytearray(file.read_bytes())
    end = len(data) - FOOTER_BYTES
    # Empty the map from channels to message indexes in every chunk index: keep the length of the
    # record by letting the compression's name take the bytes over.
    positions = [a for opcode, a, _ in records(bytes(data)) if opcode == 0x08]
    assert positions[0] < end
    rebuilt = bytes(data)
    for opcode, a, b in reversed(list(records(rebuilt))):
        if opcode == 0x08:
            body = rebuilt[a + 9 : b]
            (length,) = struct.unpack_from('<I', body, 32)
            body = body[:32] + struct.pack('<I', 0) + body[36 + length :]
            rebuilt = rebuilt[:a] + RECORD.pack(0x08, len(body)) + body + rebuilt[b:]
    file.write_bytes(rebuilt)
    indices, problems = read(bag)
    assert indices == list(range(COUNT))
    assert problems == []


def test_a_damaged_chunk_in_the_middle_loses_its_own_messages_only(tmp_path):
    bag = write_images(tmp_path / 'bag', COUNT, 'mcap_chunk_zstd')
    file = storage_file(bag)
    data = bytearray(file.read_bytes())
    chunk = [(a, b) for opcode, a, b in records(bytes(data)) if opcode == 0x06][1]
    middle = (chunk[0] + chunk[1]) // 2
    data[middle : middle + 40] = bytes(40)
    file.write_bytes(data)
    indices, problems = read(bag)
    assert indices == [0, 1, 2, 6, 7, 8, 9, 10, 11]
    assert any('1 chunks do not match' in problem for problem in problems)
    assert any('3 of 12 messages' in problem for problem in problems)


def test_a_damaged_page_of_a_database_loses_its_own_rows_only(tmp_path):
    bag = write_images(tmp_path / 'bag', 40, 'sqlite')
    file = storage_file(bag)
    data = bytearray(file.read_bytes())
    # 13 is a page of rows; those of other tables come first, the newest messages last.
    pages = [page for page in range(8 * 4096, len(data), 4096) if data[page] == 13]
    assert len(pages) > 2
    data[pages[-2]] = 99
    file.write_bytes(data)
    indices, problems = read(bag)
    assert indices == sorted(indices)
    assert indices[0] == 0
    assert indices[-1] == 39
    assert 20 < len(indices) < 40
    assert any(f'{len(indices)} messages are readable' in problem for problem in problems)
    assert any(f'{40 - len(indices)} of 40 messages' in problem for problem in problems)


def test_a_part_of_a_split_bag_that_is_cut_off(tmp_path):
    parts = [write_images(tmp_path / f'part{i}', 6, first=6 * i) for i in range(2)]
    bag = merge(tmp_path / 'bag', parts)
    first = bag / 'bag_0.mcap'
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])
    indices, problems = read(bag)
    assert 0 < len(indices) < 12
    assert indices[-6:] == [6, 7, 8, 9, 10, 11]
    assert any('bag_0.mcap: cut off' in problem for problem in problems)


@pytest.mark.parametrize('form', FORMS)
def test_random_damage_ends_in_images_or_one_clear_error(tmp_path, form):
    rng = np.random.default_rng(5)
    bag = write_images(tmp_path / 'bag', COUNT, form)
    file = storage_file(bag)
    data = file.read_bytes()
    for _ in range(12):
        damaged = bytearray(data)
        for place in rng.integers(0, len(damaged), 10):
            damaged[place] = rng.integers(0, 256)
        place = rng.integers(0, len(damaged))
        damaged[place : place + 900] = bytes(len(damaged[place : place + 900]))
        file.write_bytes(damaged)
        with suppress(BagError), BagReader(bag) as reader:
            count = len(list(reader.images(TOPIC)))
            assert count == COUNT or reader.problems


def test_decompressing_goes_as_far_as_it_can():
    content = np.random.default_rng(1).integers(0, 60, 600_000, dtype=np.uint8).tobytes()
    data = zstd.compress(content)
    assert decompress_chunk(data, 'zstd') == content
    half = decompress_chunk(data[: len(data) // 2], 'zstd')
    assert 200_000 < len(half) < 300_000
    assert content.startswith(half)
    # Frames one after the other, as a writer gives that flushes.
    assert decompress_chunk(data + data, 'zstd') == content + content
    assert decompress_chunk(content, '') == content
