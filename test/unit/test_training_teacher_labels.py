"""Pictures without labels are labelled by two networks, surely, doubtfully or not at all."""

import json

import cv2
import numpy as np
import pytest

from pose_tracking_ros.benchmark.contestants import BenchmarkError
from pose_tracking_ros.benchmark.two_network import TwoNetworks, detector_input
from pose_tracking_ros.picture_folder import PictureError, pictures_in
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training import label_command
from pose_tracking_ros.training.datasets import DatasetSettings, open_dataset
from pose_tracking_ros.training.teacher_labels import LabelRules, find_boxes, label_people

_RULES = LabelRules()
_MIN_AREA_PX = 20


class PaperTeachers:
    """Finds red rectangles; how red they are is how sure it is.

    Joints are where the crop is red, at a height that goes by the joint; their score is that of
    the red there too. In a mirror left and right are exchanged, as for the real ones.
    """

    def __init__(self):
        self.calls = 0

    def detect(self, small):
        self.calls += 1
        red = small[..., 0] > small[..., 1].astype(int) + 20
        count, _, boxes, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        found = [
            (x, y, x + w, y + h) for x, y, w, h, area in boxes[1:count] if area >= _MIN_AREA_PX
        ]
        scores = [small[y1:y2, x1:x2, 0].max() / 255 for x1, y1, x2, y2 in found]
        return np.array(found, np.float32).reshape(-1, 4), np.array(scores, np.float32)

    def heatmaps(self, crops):
        maps = np.zeros((len(crops), 17, 64, 48), np.float32)
        for heatmap, crop in zip(maps, crops, strict=True):
            for joint, name in enumerate(COCO_17.joints):
                # A quarter of the crop's width from the middle, by the side the viewer sees.
                column = 24 + (name.startswith('left') - name.startswith('right')) * 8
                heatmap[joint, 12 + joint * 2, column] = crop[128, 96, 0] / 255
        return maps


def _picture(*people, size=(600, 400)):
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    for (x1, y1, x2, y2), red in people:
        image[y1:y2, x1:x2] = (red, 20, 20)
    return image


def test_a_person_is_found_once_though_asked_for_ten_times():
    teachers = PaperTeachers()
    boxes, scores = find_boxes(teachers, _picture(((200, 100, 280, 300), 230)), _RULES)
    # The whole picture and four quarters, each in a mirror too.
    assert teachers.calls == 10
    np.testing.assert_allclose(boxes, [[200, 100, 280, 300]], atol=4)
    np.testing.assert_allclose(scores, [230 / 255], atol=0.02)


def test_without_quarters_only_the_whole_is_looked_at():
    teachers = PaperTeachers()
    rules = LabelRules(has_quarters=False)
    boxes, _ = find_boxes(teachers, _picture(((200, 100, 280, 300), 230)), rules)
    assert teachers.calls == 2
    np.testing.assert_allclose(boxes, [[200, 100, 280, 300]], atol=4)


def test_a_part_of_somebody_in_a_quarter_is_nobody():
    # The quarters end at 240, 360 and at 160, 240.
    boxes, _ = find_boxes(PaperTeachers(), _picture(((100, 50, 500, 350), 230)), _RULES)
    np.testing.assert_allclose(boxes, [[100, 50, 500, 350]], atol=4)


def test_whoever_the_picture_itself_cuts_off_stays():
    boxes, _ = find_boxes(PaperTeachers(), _picture(((0, 300, 60, 400), 230)), _RULES)
    np.testing.assert_allclose(boxes, [[0, 300, 60, 400]], atol=4)


def test_small_people_are_found_in_the_quarters():
    image = _picture(((50, 40, 55, 45), 230))
    # In the whole, 320 px wide, they have fewer pixels than this teacher needs.
    assert not len(PaperTeachers().detect(detector_input(image))[0])
    boxes, _ = find_boxes(PaperTeachers(), image, _RULES)
    np.testing.assert_allclose(boxes, [[50, 40, 55, 45]], atol=3)


def test_sure_people_get_joints_and_doubtful_ones_are_ignored_regions():
    image = _picture(((60, 100, 140, 300), 240), ((400, 100, 480, 300), 90))
    sure, doubtful = sorted(label_people(PaperTeachers(), image, _RULES), key=lambda a: a['bbox'])
    assert (sure['iscrowd'], doubtful['iscrowd']) == (0, 1)
    assert (sure['num_keypoints'], doubtful['num_keypoints']) == (17, 0)
    assert doubtful['keypoints'] == [0] * 51
    joints = np.array(sure['keypoints']).reshape(17, 3)
    assert (joints[:, 2] == 2).all()
    # Left is to the right of the middle, also after asking the mirror.
    middle = 100
    left, right = COCO_17.index('left_shoulder'), COCO_17.index('right_shoulder')
    assert joints[left, 0] > middle + 10 > middle - 10 > joints[right, 0]
    # The mirror moves a peak by one of 48 cells at most, a cell being 5 px here.
    assert joints[left, 0] - middle == pytest.approx(middle - joints[right, 0], abs=6)


def test_people_with_few_sure_joints_are_ignored_regions():
    rules = LabelRules(sure_score=0.97)
    (person,) = label_people(PaperTeachers(), _picture(((60, 100, 140, 300), 240)), rules)
    assert person['iscrowd'] == 1


def test_unsure_joints_are_labelled_as_hidden():
    rules = LabelRules(sure_score=0.97, min_sure_joints=0)
    (person,) = label_people(PaperTeachers(), _picture(((60, 100, 140, 300), 240)), rules)
    assert person['iscrowd'] == 0
    assert set(person['keypoints'][2::3]) == {1}


def test_a_picture_of_nobody_has_no_labels():
    assert label_people(PaperTeachers(), _picture(), _RULES) == []


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / 'pictures'
    (folder / 'more').mkdir(parents=True)
    cv2.imwrite(str(folder / 'b.png'), _picture(((60, 100, 140, 300), 240))[..., ::-1])
    cv2.imwrite(str(folder / 'more' / 'a.png'), _picture()[..., ::-1])
    (folder / 'notes.txt').write_text('no picture')
    return folder


def test_training_reads_the_labels(pictures):
    output = pictures.parent / 'labels.json'
    label_command.label_pictures(pictures, output, PaperTeachers(), _RULES, 'walks')
    dataset = open_dataset(
        DatasetSettings('mine', 'coco', 'pictures', 'labels.json'), pictures.parent
    )
    assert [record.source for record in dataset.records] == ['walks', 'walks']
    assert [len(record.boxes) for record in dataset.records] == [1, 0]
    assert dataset.records[0].picture.pixels().shape == (400, 600, 3)
    assert not output.with_suffix('.partial').exists()


def test_an_interrupted_run_goes_on(pictures):
    class Interrupted(PaperTeachers):
        def detect(self, small):
            if self.calls == 10:
                raise KeyboardInterrupt
            return super().detect(small)

    output = pictures.parent / 'labels.json'
    with pytest.raises(KeyboardInterrupt):
        label_command.label_pictures(pictures, output, Interrupted(), _RULES, 'walks')
    assert not output.exists()
    with output.with_suffix('.partial').open('a') as file:
        file.write('["cut off in the mid')
    teachers = PaperTeachers()
    content = label_command.label_pictures(pictures, output, teachers, _RULES, 'walks')
    assert teachers.calls == 10
    assert content == json.loads(output.read_text())
    assert [image['file_name'] for image in content['images']] == ['b.png', 'more/a.png']


def test_a_picture_that_cannot_be_decoded_is_named(pictures):
    (pictures / 'broken.jpg').write_bytes(b'no picture')
    with pytest.raises(PictureError, match=r'broken\.jpg: expected a picture'):
        label_command.label_pictures(
            pictures, pictures.parent / 'labels.json', PaperTeachers(), _RULES, 'walks'
        )


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(PictureError, match='expected pictures'):
        pictures_in(tmp_path)


def test_the_command_says_which_teacher_is_missing(pictures, capsys):
    with pytest.raises(BenchmarkError):
        TwoNetworks(pictures, 1)
    arguments = [str(pictures), '--teachers', str(pictures), '--output', str(pictures / 'l.json')]
    assert label_command.main(arguments) == 2
    assert 'picodet_320.xml' in capsys.readouterr().err


@pytest.fixture
def command(pictures, monkeypatch):
    """The command with teachers of paper; returns exit codes."""
    monkeypatch.setattr(label_command, 'TwoNetworks', lambda folder, threads: PaperTeachers())
    output = pictures.parent / 'labels.json'
    arguments = [str(pictures), '--teachers', str(pictures), '--output', str(output)]
    return lambda *more: label_command.main([*arguments, *more])


def test_the_command_compares_with_a_humans_labels(command, pictures, capsys):
    assert command() == 0
    told = capsys.readouterr().out
    assert '2 pictures, 1 people, 0 ignored regions' in told
    # A human who saw what the teachers saw.
    labels = pictures.parent / 'labels.json'
    truth = labels.rename(pictures.parent / 'human.json')
    assert command('--truth', str(truth)) == 0
    told = capsys.readouterr().out
    assert '1 of 1' in told
    assert 'left_ankle' in told


def test_a_bad_truth_is_told_before_anything_is_labelled(command, pictures, capsys):
    truth = pictures.parent / 'human.json'
    truth.write_text('{}')
    assert command('--truth', str(truth)) == 2
    assert 'human.json' in capsys.readouterr().err
    assert not list(pictures.parent.glob('labels.*'))
