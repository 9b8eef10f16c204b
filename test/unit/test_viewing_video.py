"""Videos, sources of images, contact sheets, and the simulation's command line."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_tracking_ros.simulation.__main__ import main, tracks_from_truth
from pose_tracking_ros.simulation.scenes import make_scene
from pose_tracking_ros.simulation.source import SimulationSource
from pose_tracking_ros.viewing import sources
from pose_tracking_ros.viewing.contact_sheet import contact_sheet
from pose_tracking_ros.viewing.sources import FileSource, FolderSource, WebcamSource, open_video
from pose_tracking_ros.viewing.video import VideoWriter


def gradient(level: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    image = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    image[..., 0] = level
    image[..., 2] = 40
    return image


def write_clip(path: Path, count: int = 5, size: tuple[int, int] = (64, 48)) -> Path:
    with VideoWriter(path, 12.5) as video:
        for i in range(count):
            video.write(gradient(40 * i, size))
    return path


def test_a_written_video_reads_back(tmp_path: Path) -> None:
    source = open_video(write_clip(tmp_path / 'clip.mp4'))
    assert isinstance(source, FileSource)
    assert source.rate_hz == pytest.approx(12.5)
    assert source.image_size == (64, 48)
    assert source.frame_count == 5
    for _ in range(2):
        frames = list(source)
        assert [stamp for stamp, _ in frames] == pytest.approx([0, 0.08, 0.16, 0.24, 0.32])
        for i, (_, image) in enumerate(frames):
            # Red first, and colours survive the codec nearly.
            np.testing.assert_allclose(image.mean((0, 1)), [40 * i, 0, 40], atol=14)
    source.close()


def test_odd_sizes_are_made_even(tmp_path: Path) -> None:
    source = FileSource(write_clip(tmp_path / 'odd.mp4', size=(65, 49)))
    assert source.image_size == (66, 50)
    source.close()


def test_the_writer_tells_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='the folder .* does not exist'):
        VideoWriter(tmp_path / 'none' / 'a.mp4', 10.0)
    with pytest.raises(ValueError, match='rate_hz: expected more than 0 Hz, got 0'):
        VideoWriter(tmp_path / 'a.mp4', 0.0)
    video = VideoWriter(tmp_path / 'a.mp4', 10.0)
    with pytest.raises(ValueError, match='expected height x width x 3 of uint8'):
        video.write(np.zeros((4, 4), dtype=np.uint8))
    video.write(gradient(1))
    with pytest.raises(ValueError, match='expected 64 x 48 px .*, got 32 x 32'):
        video.write(gradient(1, (32, 32)))
    video.close()
    video.close()
    with pytest.raises(ValueError, match='already closed'):
        video.write(gradient(1))
    assert video.frame_count == 1


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / 'taken.mp4').mkdir()
    with VideoWriter(tmp_path / 'taken.mp4', 10.0) as video, pytest.raises(IsADirectoryError):
        video.write(gradient(1))
    with VideoWriter(tmp_path / 'a.nothing', 10.0) as video, pytest.raises(OSError, match='mp4v'):
        video.write(gradient(1))


def test_no_image_leaves_no_file(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / 'a.mp4', 10.0):
        pass
    assert not (tmp_path / 'a.mp4').exists()


def test_a_folder_plays_in_natural_order(tmp_path: Path) -> None:
    for i in (1, 2, 9, 10, 11):
        cv2.imwrite(str(tmp_path / f'frame{i}.PNG'), gradient(10 * i)[..., ::-1])
    (tmp_path / 'notes.txt').write_text('no image')
    source = open_video(tmp_path, rate_hz=4.0)
    assert isinstance(source, FolderSource)
    assert (source.frame_count, source.image_size) == (5, (64, 48))
    frames = list(source)
    assert [int(image[0, 0, 0]) for _, image in frames] == [10, 20, 90, 100, 110]
    assert [stamp for stamp, _ in frames] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])
    source.close()


def test_folders_with_trouble_say_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='no image in it'):
        open_video(tmp_path)
    cv2.imwrite(str(tmp_path / 'a.png'), gradient(1))
    cv2.imwrite(str(tmp_path / 'b.png'), gradient(1, (32, 32)))
    with pytest.raises(ValueError, match=r'b\.png: expected 64 x 48 px like a\.png, got 32 x 32'):
        list(open_video(tmp_path))
    (tmp_path / 'b.png').write_bytes(b'this is no image')
    with pytest.raises(ValueError, match=r'b\.png: OpenCV cannot decode it'):
        list(open_video(tmp_path))
    with pytest.raises(ValueError, match='rate_hz'):
        FolderSource(tmp_path, 0.0)


def test_missing_and_broken_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'expected a video file, a folder of images'):
        open_video(str(tmp_path / 'none.mp4'))
    with pytest.raises(FileNotFoundError, match='no such file'):
        FileSource(tmp_path / 'none.mp4')
    (tmp_path / 'text.mp4').write_text('no video')
    with pytest.raises(ValueError, match='OpenCV finds no image in it'):
        open_video(tmp_path / 'text.mp4')


class FakeCapture:
    """Stands for a camera that gives three images and then fails."""

    def __init__(self, index: int) -> None:
        self.left = 4 if index == 0 else 0
        self.is_open = True

    def isOpened(self) -> bool:  # noqa: N802
        return self.is_open

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, gradient(50)[..., ::-1]) if self.left >= 0 else (False, None)

    def get(self, _: int) -> float:
        return float('nan')

    def release(self) -> None:
        self.is_open = False


def test_a_webcam_is_opened_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.cv2, 'VideoCapture', FakeCapture)
    source = open_video('0')
    assert isinstance(source, WebcamSource)
    assert source.image_size == (64, 48)
    assert source.rate_hz == sources.ASSUMED_RATE_HZ
    assert source.frame_count is None
    frames = iter(source)
    seen = [next(frames) for _ in range(3)]
    assert seen[0][1][0, 0].tolist() == [50, 0, 40]
    assert seen[0][0] <= seen[1][0] <= seen[2][0]
    with pytest.raises(OSError, match='camera 0: gives no more images'):
        next(frames)
    source.close()
    assert list(source) == []


def test_a_missing_webcam_says_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.cv2, 'VideoCapture', FakeCapture)
    with pytest.raises(OSError, match=r'camera 3: no image; is it connected.*/dev/video3'):
        open_video(3)


def test_a_file_without_a_rate_gets_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / 'a.mp4'
    path.touch()
    monkeypatch.setattr(sources.cv2, 'VideoCapture', lambda _: FakeCapture(0))
    with caplog.at_level(logging.WARNING):
        assert FileSource(path).rate_hz == sources.ASSUMED_RATE_HZ
    assert 'does not tell its rate' in caplog.text


def test_the_simulation_is_a_source() -> None:
    source = open_video('simulation:leave_and_return', rate_hz=2.0)
    assert isinstance(source, SimulationSource)
    assert source.name == 'simulation:leave_and_return'
    assert (source.rate_hz, source.image_size, source.frame_count) == (2.0, (640, 480), 24)
    assert source.intrinsics == source.scene.camera_intrinsics
    stamp, image = next(iter(source))
    assert stamp == 0
    np.testing.assert_array_equal(image, source.scene.render(0))
    assert open_video('simulation').name == 'simulation:street'
    with pytest.raises(ValueError, match="got 'beach'"):
        open_video('simulation:beach')
    source.close()


def test_a_contact_sheet_has_every_image_and_caption() -> None:
    images = [np.full((60, 80, 3), shade, dtype=np.uint8) for shade in (10, 90, 170, 230)]
    sheet = contact_sheet(images, ['a', 'b', 'c', 'd'], columns=3, width_px=600)
    assert sheet.shape[1] == 600
    for shade in (10, 90, 170, 230):
        assert ((sheet == shade).all(-1)).sum() > 10_000
    blank = contact_sheet(images, [''] * 4, columns=3, width_px=600)
    assert (sheet != blank).any(-1).sum() > 20


def test_a_contact_sheet_keeps_ratios_and_cuts_long_captions() -> None:
    tall = np.full((400, 100, 3), (200, 0, 0), dtype=np.uint8)
    wide = np.full((100, 400, 3), (0, 200, 0), dtype=np.uint8)
    sheet = contact_sheet([tall, wide], ['word ' * 60, ''], columns=2, width_px=400)
    for colour, ratio in (((200, 0, 0), 0.25), ((0, 200, 0), 4.0)):
        ys, xs = np.nonzero((sheet == colour).all(-1))
        assert np.ptp(xs) / np.ptp(ys) == pytest.approx(ratio, rel=0.1)
    assert (sheet[-30:, 205:] > 200).all(), 'no caption runs into the next field'


def test_contact_sheets_refuse_what_they_cannot_lay_out() -> None:
    image = np.zeros((10, 10, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match='expected at least one, got none'):
        contact_sheet([], [])
    with pytest.raises(ValueError, match='expected 2, one per image, got 1'):
        contact_sheet([image, image], ['a'])
    with pytest.raises(ValueError, match='columns: expected'):
        contact_sheet([image], ['a'], columns=0)
    with pytest.raises(ValueError, match='columns: expected'):
        contact_sheet([image], ['a'], width_px=10)


def test_truth_turns_into_tracks() -> None:
    truth = make_scene('full_occlusion').truth(32)
    tracks = tracks_from_truth(truth)
    assert [track.track_id for track in tracks] == truth.person_ids.tolist()
    hidden = [track for track in tracks if not track.is_matched]
    assert len(hidden) == int((truth.visible_fraction <= 0.05).sum())


def test_the_command_line_writes_sheets_and_videos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / 'sheet.png'
    size = ['--width', '96', '--height', '64']
    assert main(['--output', str(sheet), '--scene', 'crossing', *size]) == 0
    assert cv2.imread(str(sheet)) is not None
    assert f'wrote {sheet}' in capsys.readouterr().out
    for wrong in (str(tmp_path / 'a.gif'), str(tmp_path / 'none' / 'a.png')):
        with pytest.raises(SystemExit, match='2'):
            main(['--output', wrong])
    assert 'expected .jpg, .png or .mp4' in capsys.readouterr().err


def test_the_command_line_writes_a_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / 'crossing.mp4'
    arguments = ['--output', str(path), '--scene', 'crossing', '--truth', '--duration', '0.4']
    assert main([*arguments, '--width', '96', '--height', '64']) == 0
    source = FileSource(path)
    assert (source.frame_count, source.image_size) == (6, (96, 64))
    source.close()
