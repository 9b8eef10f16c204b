"""The gallery: who is in it, which looks are kept, and several threads at once."""

import threading

import numpy as np
import pytest

from pose_tracking_ros.settings import GallerySettings
from pose_tracking_ros.tracking.gallery import (
    Contents,
    Gallery,
    GalleryError,
    check_person_id,
    spread_looks,
)

DIM = 4


def unit(*angles_deg: float) -> np.ndarray:
    """Return looks in a plane; their distance is 2 sin(half the angle between them)."""
    radians = np.deg2rad(angles_deg)
    looks = np.zeros((len(angles_deg), DIM), np.float32)
    looks[:, 0], looks[:, 1] = np.cos(radians), np.sin(radians)
    return looks


def angles(looks: np.ndarray) -> list[int]:
    return np.rint(np.rad2deg(np.arctan2(looks[:, 1], looks[:, 0]))).astype(int).tolist()


def gallery(**limits) -> Gallery:
    return Gallery('lite@0123', DIM, GallerySettings(**limits))


class TestPeople:
    def test_people_are_known_in_the_order_of_their_enrolment(self):
        known = gallery()
        assert len(known.contents) == 0
        assert known.enroll('Bo', unit(0)) == 1
        known.enroll('Anna', unit(90, 120))
        known.enroll('Bo', unit(30))
        assert known.contents.person_ids == ('Bo', 'Anna')
        assert known.contents.counts.tolist() == [2, 2]
        assert sorted(angles(known.contents.looks_of('Bo'))) == [0, 30]
        assert sorted(angles(known.contents.looks_of('Anna'))) == [90, 120]
        assert known.contents.looks_of('Nobody').shape == (0, DIM)

    def test_who_is_forgotten_is_gone_and_the_others_stay(self):
        known = gallery()
        for name, angle in (('Anna', 0), ('Bo', 90), ('Cleo', 180)):
            known.enroll(name, unit(angle))
        known.forget('Bo')
        assert known.contents.person_ids == ('Anna', 'Cleo')
        np.testing.assert_allclose(known.contents.distances(unit(180)), [[2, 0]], atol=1e-3)

    def test_forgetting_a_stranger_names_who_is_known(self):
        known = gallery()
        with pytest.raises(GalleryError, match="nobody is called 'Zoe'; known: nobody"):
            known.forget('Zoe')
        known.enroll('Anna', unit(0))
        with pytest.raises(GalleryError, match="known: 'Anna'"):
            known.forget('Zoe')

    def test_the_number_of_people_is_bounded(self):
        known = gallery(gallery_max_people=2)
        known.enroll('Anna', unit(0))
        known.enroll('Bo', unit(90))
        with pytest.raises(GalleryError, match='at most 2 people, got 3; forget somebody or'):
            known.enroll('Cleo', unit(180))
        assert known.contents.person_ids == ('Anna', 'Bo')
        assert known.enroll('Bo', unit(120)) == 2

    def test_narrower_limits_are_refused_when_the_gallery_exceeds_them(self):
        known = gallery()
        known.enroll('Anna', unit(0, 90))
        with pytest.raises(GalleryError, match="at most 1 looks of each person, got 2 of 'Anna'"):
            known.apply_settings(GallerySettings(gallery_max_looks=1))
        known.enroll('Anna', unit(180))
        assert known.contents.counts.tolist() == [3]
        known.apply_settings(GallerySettings(gallery_max_looks=3))
        known.enroll('Anna', unit(45))
        assert known.contents.counts.tolist() == [3]


class TestNames:
    def test_accents_count_once_however_they_are_written(self):
        known = gallery()
        known.enroll('Rene\u0301', unit(0))
        known.enroll('Ren\u00e9', unit(90))
        assert known.contents.person_ids == ('Ren\u00e9',)
        known.forget('Rene\u0301')
        assert len(known.contents) == 0

    @pytest.mark.parametrize('name', ['Anna', 'Anna Maria', '李', 'x' * 64, 'dock-3/b'])
    def test_printable_names_are_taken_as_they_are(self, name):
        assert check_person_id(name) == name

    @pytest.mark.parametrize(
        ('name', 'message'),
        [
            ('', '1 to 64 characters, got 0'),
            ('x' * 65, '1 to 64 characters, got 65'),
            (' ', 'printable'),
            (' Anna', 'printable'),
            ('Anna\n', r"got 'Anna\\n'"),
            ('An\x00na', 'printable'),
            ('An\u200bna', 'printable'),
            ('\ud800', 'printable'),
        ],
    )
    def test_other_names_are_refused(self, name, message):
        known = gallery()
        with pytest.raises(GalleryError, match=message):
            known.enroll(name, unit(0))
        assert len(known.contents) == 0


class TestLooks:
    def test_the_most_typical_look_and_then_the_most_different_ones(self):
        # The mean is at 26: 20 is nearest to it. 90 is 70 away from that, then come 0 and 40.
        looks = unit(0, 10, 20, 40, 90, 10)
        assert angles(spread_looks(looks, 1)) == [20]
        assert angles(spread_looks(looks, 2)) == [20, 90]
        assert sorted(angles(spread_looks(looks, 4))) == [0, 20, 40, 90]

    def test_the_same_look_is_kept_once(self):
        # 2 degrees apart is a distance of 0.035.
        assert len(spread_looks(unit(0, 0, 0), 10)) == 1
        assert len(spread_looks(unit(0, 2), 10)) == 1
        assert len(spread_looks(unit(0, 4), 10)) == 2

    def test_looks_of_all_sides_survive_many_of_one(self):
        rng = np.random.default_rng(0)
        known = gallery(gallery_max_looks=4)
        known.enroll('Anna', unit(0, 120, 240))
        for _ in range(50):
            known.enroll('Anna', unit(*rng.uniform(-15, 15, 5)))
        kept = np.array(angles(known.contents.looks_of('Anna'))) % 360
        assert len(kept) == 4
        for side in (120, 240):
            assert side in kept

    def test_a_person_is_as_near_as_the_nearest_look(self):
        known = gallery()
        known.enroll('Anna', unit(0, 60))
        known.enroll('Bo', unit(180))
        halves_deg = [[0, 90], [15, 75], [30, 30]]
        np.testing.assert_allclose(
            known.contents.distances(unit(0, 30, 120)),
            2 * np.sin(np.deg2rad(halves_deg)),
            atol=1e-3,
        )

    def test_an_unknown_look_is_at_no_distance(self):
        known = gallery()
        known.enroll('Anna', unit(0))
        distances = known.contents.distances(np.concatenate([unit(0), np.zeros((1, DIM))]))
        assert distances[0] == pytest.approx(0, abs=1e-3)
        assert np.isnan(distances[1]).all()

    def test_nobody_to_compare(self):
        known = gallery()
        assert known.contents.distances(unit(0, 1)).shape == (2, 0)
        known.enroll('Anna', unit(0))
        assert known.contents.distances(unit()).shape == (0, 1)

    @pytest.mark.parametrize(
        ('looks', 'message'),
        [
            (np.zeros((1, DIM), np.float32), 'all zero, .* not known'),
            (2 * unit(0), 'length 1, got 2'),
            (np.full((1, DIM), np.nan), 'length 1, got nan'),
            (np.zeros((0, DIM)), 'at least one embedding of length 4'),
            (np.ones((1, 3)), 'length 4, as lite@0123 makes them; got shape 1 x 3'),
        ],
    )
    def test_what_is_no_look_is_refused(self, looks, message):
        known = gallery()
        known.enroll('Anna', unit(0))
        with pytest.raises(GalleryError, match=message):
            known.enroll('Anna', looks)
        assert known.contents.counts.tolist() == [1]

    def test_looks_are_copied(self):
        known, looks = gallery(), unit(0)
        known.enroll('Anna', looks)
        looks[:] = unit(90)
        assert angles(known.contents.looks_of('Anna')) == [0]


def test_memory_is_bounded():
    known = gallery(gallery_max_people=20, gallery_max_looks=5)
    rng = np.random.default_rng(0)
    for i in range(400):
        looks = rng.normal(size=(3, DIM))
        known.enroll(f'person {i % 20}', looks / np.linalg.norm(looks, axis=1, keepdims=True))
    assert known.contents.looks.shape == (100, DIM)


def test_contents_of_another_length_are_refused():
    contents = Contents(('Anna',), np.array([1]), np.ones((1, 3), np.float32))
    with pytest.raises(GalleryError, match='length 4, got 3'):
        Gallery('lite@0123', DIM, contents=contents)


def test_readers_see_whole_people_while_others_write():
    known = gallery(gallery_max_looks=3)
    is_over, wrong = threading.Event(), []

    def write(name: str) -> None:
        for i in range(150):
            known.enroll(name, unit(i % 360))
            if i % 10 == 9:
                known.forget(name)
        known.enroll(name, unit(0))

    def read() -> None:
        while not is_over.is_set():
            contents = known.contents
            shape = contents.distances(unit(0, 90)).shape
            if shape != (2, len(contents.person_ids)) or contents.counts.sum() != len(
                contents.looks
            ):
                wrong.append(contents)

    writers = [threading.Thread(target=write, args=(name,)) for name in 'ABCD']
    reader = threading.Thread(target=read)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    is_over.set()
    reader.join()
    assert not wrong
    # Had two writers started from the same contents, one of the names would be lost.
    assert sorted(known.contents.person_ids) == ['A', 'B', 'C', 'D']
