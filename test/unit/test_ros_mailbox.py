"""What lies between threads, and the threads that take from it; no ROS is needed."""

import threading

import pytest

from pose_tracking_ros.ros.mailbox import HandOver, Mailbox
from pose_tracking_ros.ros.worker import Line, Task, one_after_another


def test_the_newest_item_wins_and_the_others_are_counted():
    mailbox = Mailbox()
    for item in 'abc':
        mailbox.put(item)
    assert mailbox.take() == 'c'
    assert (mailbox.received, mailbox.dropped) == (3, 2)
    mailbox.put('d')
    assert mailbox.take() == 'd'
    assert (mailbox.received, mailbox.dropped) == (4, 2)


def test_closing_lets_the_taker_have_the_last_item_and_nothing_more():
    mailbox = Mailbox()
    mailbox.put('last')
    mailbox.close()
    mailbox.put('too late')
    assert mailbox.take() == 'last'
    assert mailbox.take() is None
    assert (mailbox.received, mailbox.dropped) == (1, 0)


def test_what_is_cleared_is_not_taken_and_not_counted_as_dropped():
    mailbox = Mailbox()
    mailbox.put('a')
    mailbox.clear()
    mailbox.close()
    assert mailbox.take() is None
    assert mailbox.dropped == 0


def test_a_waiting_taker_wakes_up():
    mailbox = Mailbox()
    taken = []
    thread = threading.Thread(target=lambda: taken.append(mailbox.take()))
    thread.start()
    mailbox.put('a')
    thread.join(30)
    assert taken == ['a']


def test_every_item_is_taken_or_dropped_when_two_threads_race():
    mailbox = Mailbox()
    taken = []
    task = Line(mailbox, [taken.append])
    for item in range(1, 2001):
        mailbox.put(item)
    mailbox.close()
    assert task.join(30)
    assert taken == sorted(taken)
    assert taken[-1] == 2000
    assert len(taken) + mailbox.dropped == 2000


def test_a_failure_ends_the_line_and_is_passed_on():
    mailbox = Mailbox()

    def fail(item):
        raise KeyError(item)

    task = Line(mailbox, [fail])
    task.raise_failure()
    mailbox.put('a bug')
    assert task.join(30)
    with pytest.raises(KeyError, match='a bug'):
        task.raise_failure()


def test_joining_tells_whether_the_end_came_in_time():
    gate = threading.Event()
    task = Task(gate.wait)
    assert not task.join(0.01)
    assert not task.is_done
    gate.set()
    assert task.join(30)
    task.raise_failure()


def test_a_hand_over_keeps_everything_and_lets_the_putter_wait():
    slot = HandOver()
    slot.put('a')
    putting = Task(lambda: slot.put('b'))
    assert not putting.join(0.05)
    assert slot.take() == 'a'
    assert putting.join(30)
    slot.close()
    slot.put('too late')
    assert (slot.take(), slot.take()) == ('b', None)


def test_closing_a_hand_over_frees_the_putter():
    slot = HandOver()
    slot.put('a')
    putting = Task(lambda: slot.put('b'))
    slot.close()
    assert putting.join(30)
    assert (slot.take(), slot.take()) == ('a', None)


class Gates:
    """Stations that wait for a word; what each is at, and has done."""

    def __init__(self, count):
        self.open = [threading.Event() for _ in range(count)]
        self.at = [[] for _ in range(count)]
        self.changed = threading.Condition()

    def station(self, number):
        def work(item):
            with self.changed:
                self.at[number].append(item)
                self.changed.notify_all()
            assert self.open[number].wait(30)
            return item

        return work

    def until(self, number, items):
        with self.changed:
            assert self.changed.wait_for(lambda: self.at[number] == items, 30), self.at


def test_stations_work_at_the_same_time_in_order_and_drop_only_before_the_last_hand_over():
    gates, mailbox, dropped = Gates(3), Mailbox(), []

    def drop():
        with gates.changed:
            dropped.append('one')
            gates.changed.notify_all()

    line = Line(mailbox, [gates.station(n) for n in range(3)], drop)
    gates.open[0].set()
    mailbox.put(1)
    gates.until(1, [1])
    # The second station is busy with 1: of what the first finishes, the newest waits.
    for item in (2, 3):
        mailbox.put(item)
        gates.until(0, list(range(1, item + 1)))
    mailbox.put(4)
    gates.until(0, [1, 2, 3, 4])
    with gates.changed:
        assert gates.changed.wait_for(lambda: len(dropped) == 2, 30)
    gates.open[1].set()
    gates.until(2, [1])
    gates.until(1, [1, 4])
    # The last one is busy with 1: 4 waits behind it, 5 holds up the second station, none is lost.
    mailbox.put(5)
    gates.until(1, [1, 4, 5])
    gates.open[2].set()
    mailbox.close()
    assert line.join(30)
    line.raise_failure()
    assert gates.at[2] == [1, 4, 5]
    assert len(dropped) == 2
    assert mailbox.dropped == 0


@pytest.mark.parametrize('threads', [1, 2, 3])
def test_every_item_leaves_the_line_once_whatever_the_speed(threads):
    mailbox, done, dropped, refused = Mailbox(), [], [], []

    def step(item):
        return item

    def refuse(item):
        if item % 7 == 0:
            refused.append(item)
            return None
        return item

    steps = [refuse, step, done.append]
    stations = [one_after_another(steps[: 4 - threads]), *steps[4 - threads :]]
    line = Line(mailbox, stations, lambda: dropped.append('one'))
    for item in range(1, 2001):
        mailbox.put(item)
    mailbox.close()
    assert line.join(30)
    assert done == sorted(done)
    assert 2000 in done
    assert len(done) + len(refused) + len(dropped) + mailbox.dropped == 2000


@pytest.mark.parametrize(('failing', 'count'), [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)])
def test_a_station_that_fails_holds_nobody_up(failing, count):
    mailbox, is_taken = Mailbox(), threading.Semaphore(0)

    def fail(item):
        raise KeyError(item)

    def first(item):
        is_taken.release()
        return item

    stations = [first, *[lambda item: item] * (count - 1)]
    stations[failing] = fail
    line = Line(mailbox, stations)
    mailbox.put('a bug')
    assert line._tasks[failing].join(30)
    with pytest.raises(KeyError, match='a bug'):
        line.raise_failure()
    for item in range(4):
        mailbox.put(item)
        # The first station goes on taking, unless it is the one that failed.
        assert failing == 0 or is_taken.acquire(timeout=30)
    mailbox.close()
    assert line.join(30)


def test_what_is_discarded_is_not_worked_on():
    gates, mailbox = Gates(2), Mailbox()
    line = Line(mailbox, [gates.station(0), gates.station(1)])
    gates.open[0].set()
    mailbox.put('a')
    gates.until(1, ['a'])
    mailbox.put('b')
    gates.until(0, ['a', 'b'])
    line.discard()
    gates.open[1].set()
    assert line.join(30)
    assert gates.at[1] == ['a']
