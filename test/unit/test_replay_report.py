"""The report of a replay: one file, whose pictures and plots are all there."""

import base64
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from chromium import find_chromium, open_page
from replay_samples import (
    FIRST_NS,
    STEP_NS,
    frame,
    recording,
    result_of,
    simulated_result,
    track,
    truth_frame,
    truth_match,
)
from rosbags.typesys import Stores, get_typestore

from pose_tracking_ros.evaluation.replay.report import MAX_PICTURES, write_report
from pose_tracking_ros.evaluation.replay.report_pictures import images_of_bag
from pose_tracking_ros.evaluation.replay.report_timelines import timelines_of
from pose_tracking_ros.people import TrackState
from pose_tracking_ros.recordings.bag_writer import BagWriter
from pose_tracking_ros.recordings.message_types import IMAGE_TYPE


class Page(HTMLParser):
    """Collects what a page shows and what it refers to."""

    def __init__(self, text):
        super().__init__()
        self.images, self.links, self.tags, self.words = [], [], [], []
        self.feed(text)
        self.text = ' '.join(' '.join(self.words).split())

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.append(tag)
        self.links += [value for key, value in attributes if key in ('src', 'href', 'srcset')]
        if tag == 'img':
            self.images.append(named)

    def handle_data(self, data):
        self.words.append(data)


def noise(stamps_ns, image_size=(320, 240)):
    """An image for each stamp, quickly made."""
    rng = np.random.default_rng(0)
    for stamp_ns in stamps_ns:
        yield stamp_ns, rng.integers(0, 255, (*image_size[::-1], 3), dtype=np.uint8)


def report_of(result, folder, images=noise):
    target = folder / 'made' / 'report.html'
    write_report(result, target, images)
    return target.read_text(encoding='utf-8')


@pytest.fixture(scope='module')
def simulated():
    """A replay with mistakes of every kind, as a node would have done it."""
    result, _ = simulated_result(
        seconds=8.0,
        is_realistic=True,
        dropped_ns=[1, 2, 3],
        settings={'strategy': 'iou', 'max_lost_s': 3.0},
        problems=['2 images of 66 are <cut> & lost.'],
        figures={
            'bag': 'said in the summary',
            'mot': {'hota': 51.234, 'idf1': None, 'idsw': 7},
            'joints': {name: {'ap': 12.5, 'misses': 3} for name in ('nose', 'neck', 'knee')},
        },
        timing={'device': 'cpu (1 thread)', 'process_ms': {'median': 41.5}},
    )
    for number, one in enumerate(result.recording.frames):
        result.recording.frames[number] = replace(
            one, latency_s=0.05 + 0.001 * number, processing_time_s=0.04
        )
    return result


@pytest.fixture(scope='module')
def html(simulated, tmp_path_factory):
    return report_of(simulated, tmp_path_factory.mktemp('report'))


def content_of(address):
    return base64.b64decode(address.partition('base64,')[2], validate=True)


def test_every_picture_can_be_decoded_and_has_the_size_it_claims(html):
    pictures = [one for one in Page(html).images if one['src'].startswith('data:image/jpeg')]
    assert 10 < len(pictures) <= MAX_PICTURES
    for picture in pictures:
        pixels = cv2.imdecode(np.frombuffer(content_of(picture['src']), np.uint8), 1)
        assert pixels.shape[:2] == (int(picture['height']), int(picture['width']))


def test_every_plot_is_a_drawing(html):
    plots = [one for one in Page(html).images if one['src'].startswith('data:image/svg')]
    assert [one['alt'] for one in plots] == [
        'Tracks over time',
        'People in the image',
        'Latency and drops',
        'Processing time',
    ]
    for plot in plots:
        drawing = ElementTree.fromstring(content_of(plot['src']))
        paths = drawing.findall('.//{http://www.w3.org/2000/svg}path')
        assert len(paths) > 20
        # No font, picture or style sheet from elsewhere.
        assert 'href="http' not in content_of(plot['src']).decode()


def test_nothing_is_asked_of_anybody_else(html):
    page = Page(html)
    assert all(link.startswith('data:') for link in page.links)
    assert not {'script', 'iframe', 'object', 'embed'} & set(page.tags)
    assert 'http' not in re.sub(r'base64,[A-Za-z0-9+/=]+', '', html)
    assert '@import' not in html


def test_report_says_what_was_replayed_and_how(html):
    text = Page(html).text
    for words in (
        'Replay of recorded bag',
        '/camera/image_raw, configuration defaults',
        '64, 7.9 s',
        '320 x 240 px',
        'as recorded',
        'strategy iou',
        'max lost s 3.00'.replace(' ', '_', 2),
        '2 images of 66 are <cut> & lost.',
        '51.23 HOTA, %',
        'IDF1 -',
        'AP misses nose 12.50 3 neck 12.50 3',
        'device cpu (1 thread) process ms median 41.50',
        '3 of 67 images were dropped',
        'lite-0000',
    ):
        assert words in text, words
    assert 'said in the summary' not in text
    assert 'interrupted' not in text
    # Text from the bag cannot become markup.
    assert '<cut>' not in html


def test_every_kind_of_mistake_is_counted_and_shown(html):
    text = Page(html).text
    counts = re.search(r'identity switch: (\d+), missed person: (\d+), false track: (\d+)\.', text)
    switches, misses, false_tracks = (int(count) for count in counts.groups())
    assert min(switches, misses, false_tracks) > 0
    titles = [one['alt'] for one in Page(html).images]
    assert any(re.fullmatch(r'Person \d+: track \d+, then \d+', title) for title in titles)
    assert any(re.fullmatch(r'Person \d+ missed in \d+ images?', title) for title in titles)
    assert any(re.fullmatch(r'Track \d+ on nobody in \d+ images?', title) for title in titles)


def test_number_of_pictures_is_bounded_and_what_is_left_out_is_said(tmp_path):
    # Two people change places in every image: 78 switches.
    frames = [frame(n, [track(1 + n % 2, 50), track(2 - n % 2, 150)]) for n in range(1, 41)]
    true = [truth_frame(n, {5: 50, 6: 150}) for n in range(1, 41)]
    page = Page(report_of(result_of(recording(frames), truth_match(true)), tmp_path))
    pictures = [one for one in page.images if 'jpeg' in one['src']]
    assert len(pictures) == MAX_PICTURES
    assert '18 of 78 are shown' in page.text


def test_without_truth_there_are_counts_and_samples(simulated, tmp_path):
    page = Page(report_of(replace(simulated, truth=None, is_realistic=False), tmp_path))
    assert 'There is no ground truth' in page.text
    assert 'Mistakes' not in page.text
    assert 'Latency' not in page.text
    assert sum('jpeg' in one['src'] for one in page.images) == 12
    assert 'person' not in {one.get('alt') for one in page.images}


def test_interrupted_replay_says_so(tmp_path):
    result = result_of(recording([frame(1, [])]), is_complete=False)
    assert 'The replay was interrupted' in Page(report_of(result, tmp_path)).text


def test_replay_without_any_result_still_gives_a_report(tmp_path):
    page = Page(report_of(result_of(recording([], images=3)), tmp_path))
    assert '0 images processed' in page.text
    assert page.images == []


def test_replay_without_people_says_so(tmp_path):
    page = Page(report_of(result_of(recording([frame(1, []), frame(2, [])])), tmp_path))
    assert 'No track was ever confirmed.' in page.text
    assert 'No track was occluded.' in page.text


def test_only_the_images_that_are_shown_are_fetched_once(simulated, tmp_path):
    asked = []

    def images(stamps_ns):
        asked.append(list(stamps_ns))
        return noise(stamps_ns)

    report_of(simulated, tmp_path, images)
    (stamps_ns,) = asked
    assert len(set(stamps_ns)) == len(stamps_ns) <= 2 * MAX_PICTURES
    assert set(stamps_ns) < set(simulated.recording.source_stamps_ns)


def test_images_that_are_gone_are_told(simulated, tmp_path):
    def images(stamps_ns):
        return noise(list(stamps_ns)[1:])

    text = Page(report_of(simulated, tmp_path, images)).text
    assert re.search(r'[1-9]\d* images were no longer to be read from the bag\.', text)


def test_two_reports_of_one_replay_are_equal(simulated, html, tmp_path):
    assert report_of(simulated, tmp_path) == html


def test_occlusions_are_listed_with_who_was_in_front(tmp_path):
    states = [TrackState.CONFIRMED] * 2 + [TrackState.OCCLUDED] * 3 + [TrackState.CONFIRMED]
    frames = [
        frame(n, [track(1, 50, state, occluder_id=2 if state == TrackState.OCCLUDED else 0)])
        for n, state in enumerate(states, start=1)
    ]
    text = Page(report_of(result_of(recording(frames)), tmp_path)).text
    assert '1 occlusions track from, s to, s duration, s images behind track' in text
    assert '1 0.20 0.50 0.30 3 2' in text


def test_timelines_follow_states_and_sessions():
    frames = [
        frame(1, [track(1, 50, TrackState.TENTATIVE), track(2, 90, TrackState.TENTATIVE)]),
        frame(2, [track(1, 50)]),
        frame(3, [track(1, 50), track(3, 90, TrackState.REMOVED)]),
        frame(5, [track(1, 50, TrackState.LOST)]),
        frame(6, [track(1, 150)], session_id=2),
    ]
    match = truth_match([truth_frame(n, {7: 50}) for n in range(1, 7)])
    first, second = timelines_of(recording(frames, images=6), match)
    assert first.person_ids == (7,)
    assert [(one.state, one.images) for one in first.spells] == [
        (TrackState.TENTATIVE, 1),
        (TrackState.CONFIRMED, 2),
        (TrackState.LOST, 1),
    ]
    assert [one.first_ns for one in first.spells] == [
        FIRST_NS,
        FIRST_NS + STEP_NS,
        FIRST_NS + 4 * STEP_NS,
    ]
    # A state lasts until the next image that was processed.
    assert first.spells[1].duration_s == pytest.approx(0.3)
    # The second session's ids count on; nobody of the truth is there.
    assert (second.track_id, second.person_ids) == (4, ())


def test_tracks_never_confirmed_have_no_timeline():
    frames = [frame(1, [track(1, 50, TrackState.TENTATIVE)])]
    assert timelines_of(recording(frames), None) == []


def test_images_come_from_the_bag_by_their_stamps(tmp_path):
    types = get_typestore(Stores.ROS2_JAZZY).types
    store = get_typestore(Stores.ROS2_JAZZY)
    bag = tmp_path / 'bag'
    with BagWriter(bag) as writer:
        writer.add('/image', IMAGE_TYPE)
        for number in range(6):
            # The second image has no stamp: the time of its recording stands for it.
            stamp_ns = 0 if number == 1 else FIRST_NS + number * STEP_NS
            time = types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 10**9))
            message = types[IMAGE_TYPE](
                header=types['std_msgs/msg/Header'](time, 'camera'),
                height=4,
                width=6,
                # The fourth one cannot be read.
                encoding='nonsense' if number == 3 else 'rgb8',
                is_bigendian=0,
                step=18,
                data=np.full(72, number, np.uint8),
            )
            received_ns = FIRST_NS + number * STEP_NS + 7
            writer.write('/image', received_ns, bytes(store.serialize_cdr(message, IMAGE_TYPE)))
    wanted = [FIRST_NS + 4 * STEP_NS, FIRST_NS + STEP_NS + 7, FIRST_NS + 3 * STEP_NS]
    found = dict(images_of_bag(bag, '/image')(wanted))
    assert {stamp_ns: int(image[0, 0, 0]) for stamp_ns, image in found.items()} == {
        wanted[1]: 1,
        wanted[0]: 4,
    }


needs_chromium = pytest.mark.skipif(
    find_chromium() is None,
    reason='no Chromium on the path; on Debian: sudo apt-get install chromium',
)


@needs_chromium
def test_report_opens_in_chromium_without_error_or_network(html, tmp_path):
    page = open_page(find_chromium(), html, tmp_path)
    assert len(page.pictures) == len(Page(html).images)
    for title, width, height, painted in page.pictures:
        assert width > 0, title
        # Photographs fill their frame, plots are transparent between the lines.
        assert painted > 0.02 * width * height, title
    assert page.console == []
    assert page.requests == []


@needs_chromium
def test_chromium_would_tell_what_is_wrong(tmp_path):
    broken = (
        '<body><img alt="cut" src="data:image/jpeg;base64,AAAA">'
        '<img alt="away" src="http://127.0.0.1:9/a.png">'
        '<script>console.error("wrong")</script></body>'
    )
    page = open_page(find_chromium(), broken, tmp_path)
    assert [one[:2] for one in page.pictures] == [['cut', 0], ['away', 0]]
    assert page.requests == ['http://127.0.0.1:9/a.png']
    assert 'wrong' in ' '.join(page.console)


def test_template_is_installed_with_the_package(tmp_path):
    root = Path(__file__).resolve().parents[2]
    built = tmp_path / 'built'
    # The parts of `pip install` that decide which files there are.
    commands = ['egg_info', f'--egg-base={tmp_path}', 'build_py', f'--build-lib={built}']
    subprocess.run(
        [sys.executable, '-W', 'ignore', 'setup.py', '-q', *commands],
        cwd=root,
        check=True,
        capture_output=True,
        timeout=120,
    )
    folder = built / 'pose_tracking_ros' / 'evaluation' / 'replay'
    assert [one.name for one in (folder / 'templates').iterdir()] == ['report.html.j2']
