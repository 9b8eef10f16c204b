"""Which images a node would have taken, by hand-made times; and the threads of a replay."""

import threading
import time
from dataclasses import dataclass

import pytest

from pose_tracking_ros.evaluation.replay.arrival import through_mailbox
from pose_tracking_ros.evaluation.replay.overlap import ReadAhead, WriteBehind

MS = 1_000_000


@dataclass(frozen=True)
class Item:
    number: int
    received_ns: int


def run(arrivals_ms, processing_ms):
    """Return (number, start, end, drops so far) of what is processed, and what was dropped."""
    items = [Item(i, round(ms * MS)) for i, ms in enumerate(arrivals_ms)]
    dropped = []
    times = processing_ms if callable(processing_ms) else lambda item: processing_ms
    done = through_mailbox(
        items,
        lambda item: (item.number, round(times(item) * MS)),
        lambda item: dropped.append(item.number),
    )
    rows = [(d.result, d.started_ns / MS, d.finished_ns / MS, d.dropped) for d in done]
    return rows, dropped


def test_a_fast_worker_takes_all_when_they_arrive():
    rows, dropped = run([0, 100, 200], 30)
    assert rows == [(0, 0, 30, 0), (1, 100, 130, 0), (2, 200, 230, 0)]
    assert dropped == []


def test_of_those_that_come_meanwhile_only_the_newest_is_taken():
    # Busy until 250 with the first: 1 is replaced by 2, which is taken then; 3 waits for 500.
    rows, dropped = run([0, 100, 200, 300], 250)
    assert rows == [(0, 0, 250, 1), (2, 250, 500, 1), (3, 500, 750, 1)]
    assert dropped == [1]


def test_drops_are_counted_when_the_result_is_published():
    # 1, 2 and 3 are replaced while 0 is processed: the message of 0 tells of them.
    rows, dropped = run([0, 10, 20, 30, 40], 45)
    assert rows == [(0, 0, 45, 3), (4, 45, 90, 3)]
    assert dropped == [1, 2, 3]


def test_what_arrives_when_the_worker_becomes_free_has_arrived():
    rows, dropped = run([0, 50, 100], 100)
    assert [row[0] for row in rows] == [0, 2]
    assert dropped == [1]


def test_each_image_may_take_its_own_time():
    rows, dropped = run([0, 100, 200, 300], lambda item: 250 if item.number == 0 else 20)
    assert rows == [(0, 0, 250, 1), (2, 250, 270, 1), (3, 300, 320, 1)]
    assert dropped == [1]


def test_latency_is_from_arrival_to_result():
    items = [Item(0, 0), Item(1, 10 * MS)]
    done = list(through_mailbox(items, lambda item: (None, 50 * MS), lambda item: None))
    assert [one.latency_s for one in done] == pytest.approx([0.05, 0.09])
    assert [one.processing_time_s for one in done] == pytest.approx([0.05, 0.05])


def test_an_arrival_out_of_order_does_not_turn_back_time():
    rows, _ = run([100, 40, 300], 10)
    starts = [row[1] for row in rows]
    assert starts == sorted(starts)
    assert [row[0] for row in rows] == [0, 1, 2]


def test_no_time_and_no_images():
    assert run([], 10) == ([], [])
    rows, dropped = run([0, 1, 2], 0)
    assert [row[0] for row in rows] == [0, 1, 2]
    assert dropped == []


def test_items_are_processed_before_the_source_ends():
    seen = []

    def source():
        for i in range(4):
            seen.append(f'read {i}')
            yield Item(i, i * 100 * MS)

    def process(item):
        seen.append(f'process {item.number}')
        return None, MS

    list(through_mailbox(source(), process, lambda item: None))
    assert seen.index('process 0') < seen.index('read 2')


def test_reading_ahead_keeps_order_and_its_bound():
    produced = []

    def source():
        for i in range(20):
            produced.append(i)
            yield i

    with ReadAhead(source, 3) as items:
        it = iter(items)
        first = next(it)
        time.sleep(0.05)
        # One was taken, three wait, one waits for room.
        assert len(produced) <= 5
        assert [first, *it] == list(range(20))


def test_an_error_of_the_source_comes_after_its_items():
    def source():
        yield 1
        yield 2
        raise OSError('disk gone')

    with ReadAhead(source, 8) as items:
        it = iter(items)
        assert [next(it), next(it)] == [1, 2]
        with pytest.raises(OSError, match='disk gone'):
            next(it)


def test_an_abandoned_source_ends():
    def source():
        while True:
            yield 0

    before = threading.active_count()
    with ReadAhead(source, 2) as items:
        next(iter(items))
    assert threading.active_count() == before


def test_writing_behind_keeps_order_and_finishes():
    written = []

    def write(item):
        time.sleep(0.002)
        written.append(item)

    with WriteBehind(write, 2) as writer:
        for i in range(10):
            writer.put(i)
    assert written == list(range(10))


def test_what_was_put_is_written_although_something_else_fails():
    written = []

    def work():
        with WriteBehind(written.append, 4) as writer:
            writer.put(1)
            writer.put(2)
            raise KeyError('elsewhere')

    with pytest.raises(KeyError, match='elsewhere'):
        work()
    assert written == [1, 2]


def test_a_failure_to_write_is_raised_and_blocks_nobody():
    def write(item):
        raise OSError('disk full')

    put = []

    def work():
        with WriteBehind(write, 1) as writer:
            for item in range(1000):
                writer.put(item)
                put.append(item)

    with pytest.raises(OSError, match='disk full'):
        work()
    assert len(put) < 1000


def test_a_failure_with_the_last_item_is_raised_too():
    def write(item):
        raise OSError('disk full')

    with pytest.raises(OSError, match='disk full'), WriteBehind(write, 4) as writer:
        writer.put(1)
