"""Small bags of rendered scenes, and an engine that knows the truth, for tests of the replay."""

from hashlib import sha256

import numpy as np

from pose_tracking_ros.people import People
from pose_tracking_ros.recordings.bag_writer import BagWriter
from pose_tracking_ros.recordings.message_types import IMAGE_TYPE, typestore_with_poses
from pose_tracking_ros.simulation.scenes import make_scene
from pose_tracking_ros.simulation.truth import people_from_truth

TOPIC = '/camera/image_raw'
START_NS = 1_700_000_000_000_000_000
DELAY_NS = 4_000_000
"""From the stamp of an image to its recording."""


def small_scene(name='crossing', *, duration_s=4.0, rate_hz=5.0, size=(160, 120)):
    return make_scene(name, image_size=size, duration_s=duration_s, rate_hz=rate_hz)


def images_of(scene):
    """Return stamp in ns and picture of each frame."""
    return [
        (START_NS + round(scene.stamp_s(i) * 1e9), scene.render(i))
        for i in range(scene.frame_count)
    ]


def image_message(stamp_ns, picture, *, encoding='rgb8'):
    types = typestore_with_poses().types
    stamp = types['builtin_interfaces/msg/Time'](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    height, width = picture.shape[:2]
    return types[IMAGE_TYPE](
        header=types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera'),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=3 * width,
        data=np.ascontiguousarray(picture).reshape(-1),
    )


def write_bag(folder, images, *, topic=TOPIC, received_ns=None, others=()):
    """Write pictures with their stamps into a bag.

    Args:
        folder: of the new bag.
        images: stamp in ns and picture, or a message, each.
        topic: of the images.
        received_ns: when each arrived; a moment after its stamp if not given.
        others: (topic, type, [(received_ns, message)]) to be written as well.
    """
    with BagWriter(folder) as bag:
        bag.add(topic, IMAGE_TYPE)
        for name, kind, messages in others:
            bag.add(name, kind)
            for when_ns, message in messages:
                bag.write_message(name, when_ns, message)
        for place, (stamp_ns, picture) in enumerate(images):
            when_ns = stamp_ns + DELAY_NS if received_ns is None else received_ns[place]
            message = image_message(stamp_ns, picture) if hasattr(picture, 'shape') else picture
            bag.write_message(topic, when_ns, message)
    return folder


class TruthEngine:
    """Finds in each rendered image of a scene what is there, with some noise, always the same."""

    model_id = 'truth@0'
    device_name = 'paper'
    fallback_reason = ''

    def __init__(self, scene, images):
        self._people = {}
        for i, (_, picture) in enumerate(images):
            truth = scene.truth(i)
            rng = np.random.default_rng(i)
            people = people_from_truth(truth, scene.image_size, rng)
            self._people[_key(picture)] = people
            self.embedding_dim = people.embeddings.shape[1]
        self.settings = None
        self.seen = 0
        self.before_each = lambda: None

    def apply_settings(self, settings):
        self.settings = settings

    def warm_up(self):
        pass

    def infer(self, image):
        self.before_each()
        self.seen += 1
        size = (image.shape[1], image.shape[0])
        return self._people.get(_key(image), People.none(size, dim=self.embedding_dim))


def _key(image):
    return sha256(np.ascontiguousarray(image).tobytes()).digest()
