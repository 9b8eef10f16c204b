"""The tracker node from outside: messages in, messages out."""

import numpy as np
import pytest

PERSON = (40.0, 20.0, 80.0, 140.0)


def test_an_image_comes_back_as_tracked_poses(scene, image):
    scene = scene()
    array = scene.show(image(12.25, size=(320, 160), frame_id='left_camera'))
    assert (array.header.stamp.sec, array.header.stamp.nanosec) == (12, 250_000_000)
    assert array.header.frame_id == 'left_camera'
    assert (array.image_width, array.image_height) == (320, 160)
    assert (array.skeleton, array.model_id) == ('coco_17', 'paper-00000000')
    assert (array.sequence, array.frames_dropped) == (1, 0)
