"""Galleries on disk: they survive restarts, and each thing that can be wrong has one message."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pose_tracking_ros.settings import GallerySettings
from pose_tracking_ros.tracking import gallery_file
from pose_tracking_ros.tracking.gallery import Gallery, GalleryError
from pose_tracking_ros.tracking.gallery_file import FORMAT, load_gallery, save_gallery

MODEL, DIM = 'lite@0123', 8


@pytest.fixture
def known() -> Gallery:
    gallery = Gallery(MODEL, DIM)
    eye = np.eye(DIM, dtype=np.float32)
    gallery.enroll('René 李', eye[:2])
    gallery.enroll('Anna', eye[2:3])
    return gallery


@pytest.fixture
def path(known: Gallery, tmp_path: Path) -> Path:
    path = tmp_path / 'people' / 'gallery.safetensors'
    save_gallery(known, path)
    return path


def test_people_survive_a_restart(known: Gallery, path: Path) -> None:
    loaded = load_gallery(path, MODEL, DIM)
    assert loaded.contents.person_ids == ('René 李', 'Anna')
    np.testing.assert_array_equal(loaded.contents.looks, known.contents.looks)
    assert loaded.contents.counts.tolist() == [2, 1]
    # And can be changed and saved again.
    loaded.forget('René 李')
    save_gallery(loaded, path)
    assert load_gallery(path, MODEL, DIM).contents.person_ids == ('Anna',)


def test_an_empty_gallery_is_a_gallery(tmp_path: Path) -> None:
    path = tmp_path / 'nobody.safetensors'
    save_gallery(Gallery(MODEL, DIM), path)
    loaded = load_gallery(path, MODEL, DIM)
    assert len(loaded.contents) == 0
    loaded.enroll('Anna', np.eye(DIM)[:1])


def test_nothing_half_written_is_left(path: Path) -> None:
    assert [file.name for file in path.parent.iterdir()] == ['gallery.safetensors']


def test_a_write_that_fails_leaves_the_file_as_it_was(
    known: Gallery, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, 'No space left on device')

    before = path.read_bytes()
    known.enroll('Bo', np.eye(DIM)[5:6])
    monkeypatch.setattr(gallery_file.os, 'fsync', full)
    with pytest.raises(OSError, match='No space left'):
        save_gallery(known, path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ['gallery.safetensors']


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match=r'no file .*none\.safetensors; enroll somebody'):
        load_gallery(tmp_path / 'none.safetensors', MODEL, DIM)


@pytest.mark.parametrize('keep', [0, 7, 60, -1])
def test_a_truncated_file(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(GalleryError, match='not a readable safetensors file'):
        load_gallery(path, MODEL, DIM)


def test_a_damaged_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    # The lowest bit of some number: still a look of unit length.
    position = bytes(content).rindex(np.float32(1).tobytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(GalleryError, match='checksum: the file is damaged'):
        load_gallery(path, MODEL, DIM)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / 'executed',)

    path = tmp_path / 'hostile.safetensors'
    path.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(GalleryError, match='not a readable safetensors file'):
        load_gallery(path, MODEL, DIM)
    assert not (tmp_path / 'executed').exists()


def test_another_network(path: Path) -> None:
    with pytest.raises(
        GalleryError, match='made with network lite@0123, but fastpose-50@abcd is in use'
    ):
        load_gallery(path, 'fastpose-50@abcd', DIM)


def test_another_length(path: Path) -> None:
    with pytest.raises(GalleryError, match=r'looks: expected float32 of length 16 each'):
        load_gallery(path, MODEL, 16)


def test_more_than_the_limits_allow(path: Path) -> None:
    for settings, message in (
        (GallerySettings(gallery_max_people=1), 'at most 1 people, got 2'),
        (GallerySettings(gallery_max_looks=1), 'at most 1 looks of each person, got 2'),
    ):
        with pytest.raises(GalleryError, match=rf'gallery\.safetensors: expected {message}'):
            load_gallery(path, MODEL, DIM, settings)


def rewrite(path: Path, arrays=None, **metadata: str) -> None:
    """Write the file again with some of its parts exchanged, and the right checksum."""
    tensors = load_file(path) | (arrays or {})
    names = metadata.get('person_ids', json.dumps(['René 李', 'Anna']))
    facts = {'format': FORMAT, 'model_id': MODEL, 'person_ids': names}
    facts['sha256'] = 'none'
    save_file({k: v for k, v in tensors.items() if v is not None}, path, facts | metadata)


@pytest.mark.parametrize(
    ('arrays', 'metadata', 'message'),
    [
        ({}, {'format': 'pose_tracking_ros/1'}, f'expected format {FORMAT}, got pose_tracking_ro'),
        ({'counts': None}, {}, 'expected arrays counts, looks, got looks'),
        ({'more': np.zeros(1)}, {}, 'expected arrays counts, looks, got counts, looks, more'),
        ({'looks': np.eye(8)[:3]}, {}, 'looks: expected float32 .* got float64'),
        ({'counts': np.array([2, 2])}, {}, 'counts: .* 3 in all'),
        ({'counts': np.array([3, 0])}, {}, 'counts: .* 3 in all'),
        ({'counts': np.array([3])}, {}, 'for each of 2 people'),
        ({'counts': np.array([4, -1])}, {}, 'counts: '),
        ({'counts': np.array([2.0, 1.0])}, {}, 'counts: '),
        ({}, {'person_ids': '["A"'}, 'expected a list person_ids'),
        ({}, {'person_ids': '{}'}, 'person_ids: expected a list of texts'),
        ({}, {'person_ids': '["A", 1]'}, 'person_ids: expected a list of texts'),
        ({}, {'person_ids': '["A", "A"]'}, 'a name occurs twice'),
        ({}, {'person_ids': '["A", ""]'}, '1 to 64 characters'),
        ({}, {'person_ids': '["A", "Rene\\u0301"]'}, 'not in normal form'),
        ({}, {}, 'do not match their checksum'),
    ],
)
def test_parts_that_do_not_fit(path: Path, arrays, metadata, message) -> None:
    rewrite(path, arrays, **metadata)
    with pytest.raises(GalleryError, match=message) as caught:
        load_gallery(path, MODEL, DIM)
    assert str(path) in str(caught.value)


def test_a_safetensors_file_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / 'foreign.safetensors'
    save_file({'x': np.zeros(1)}, path)
    with pytest.raises(GalleryError, match=f'expected format {FORMAT}, got None'):
        load_gallery(path, MODEL, DIM)


def test_looks_that_are_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_file, '_digest', lambda _: 'none')
    rewrite(path, {'looks': 2 * load_file(path)['looks']})
    with pytest.raises(GalleryError, match="'René 李': expected looks of length 1, got 2"):
        load_gallery(path, MODEL, DIM)
