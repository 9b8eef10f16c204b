"""The mailbox and the thread that empties it; no ROS is needed."""

import threading

import pytest

from pose_tracking_ros.ros.mailbox import Mailbox
from pose_tracking_ros.ros.worker import Task, take_from


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
    task = take_from(mailbox, taken.append)
    for item in range(1, 2001):
        mailbox.put(item)
    mailbox.close()
    assert task.join(30)
    assert taken == sorted(taken)
    assert taken[-1] == 2000
    assert len(taken) + mailbox.dropped == 2000


def test_a_failure_ends_the_task_and_is_passed_on():
    mailbox = Mailbox()

    def fail(item):
        raise KeyError(item)

    task = take_from(mailbox, fail)
    task.raise_failure()
    mailbox.put('a bug')
    assert task.join(30)
    assert task.is_done
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
