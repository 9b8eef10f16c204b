"""Where tracks will be: a constant-velocity Kalman filter over boxes, vectorised over tracks.

Time is in seconds and every noise is relative to the person's size in the image, so one set of
constants serves near and far people and any frame rate. The four box coordinates (centre x, y,
width, height) are filtered independently of each other. The centre has a velocity; the size is a
random walk, because a box that shrinks while its person disappears behind something must not go
on shrinking.

The filter's state is one array per bank of tracks, `moments`, of shape `track 5 4`: along the
second axis position, velocity, and the variances position-position, position-velocity,
velocity-velocity; along the third cx, cy, w, h. Units are px and s.

In memory the tracks come last: what is computed then runs over adjacent numbers, whatever it takes
of the moments and coordinates, which is several times as fast. Results do not depend on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Bool, Float

POSITION, VELOCITY, VAR_POSITION, COVARIANCE, VAR_VELOCITY = range(5)
# A box within this share of the image's size of its border is taken as cut off by it.
BORDER_SHARE = 0.01
# Plain numbers as arrays: for a few people NumPy takes longer to convert a number of Python than
# to compare it.
_ZERO, _ONE = np.array(0.0), np.array(1.0)
# All are linear in the box: one small product takes less time than sums of columns do.
# The first makes the coordinates of corners grow inwards from all four sides of the image.
_INWARDS = np.diag([1.0, 1.0, -1.0, -1.0])
_CENTRES_FROM_CORNERS = np.array(
    [[0.5, 0.0, 0.5, 0.0], [0.0, 0.5, 0.0, 0.5], [-1.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 1.0]]
)
_CORNERS_FROM_CENTRES = np.array(
    [[1.0, 0.0, -0.5, 0.0], [0.0, 1.0, 0.0, -0.5], [1.0, 0.0, 0.5, 0.0], [0.0, 1.0, 0.0, 0.5]]
)
_EACH_SIDE = np.ones(4)
# What no passage of time makes of the moments.
_STILL = np.eye(5)
# A width or height is at least 0, a centre anywhere.
_LOWEST_POSITION = np.array([[-math.inf], [-math.inf], [0.0], [0.0]])


@dataclass(frozen=True)
class MotionModel:
    """How people move in images and how well detectors measure them; `size` is a body length.

    Attributes:
        manoeuvre: growth of the velocity's standard deviation in one second, sizes/s. White
            acceleration noise has the density `manoeuvre**2`, in sizes²/s³.
        initial_speed: standard deviation of a new track's unknown velocity, sizes/s. Walking
            is about 0.8 sizes/s.
        size_drift: growth of the width's and height's standard deviation in one second, sizes.
        centre_noise: standard deviation of a measured centre, sizes.
        size_noise: standard deviation of a measured width or height, sizes.
        coast_s: an unseen person's velocity decays to 1/e in this time: nobody is expected to
            walk straight on for ever.
    """

    manoeuvre: float = 0.5
    initial_speed: float = 1.0
    size_drift: float = 0.3
    centre_noise: float = 0.04
    size_noise: float = 0.06
    coast_s: float = 2.0

    @cached_property
    def measurement_noise(self) -> Float[np.ndarray, '4']:
        """Standard deviation of a measured cx, cy, w, h, sizes."""
        return np.array([self.centre_noise] * 2 + [self.size_noise] * 2)


@lru_cache(maxsize=16)
def _border_lines(image_size: tuple[int, int]) -> Float[np.ndarray, '4 1']:
    """Return where `_INWARDS` times corners counts as cut off: there and below, px."""
    size = np.array(image_size, dtype=np.float64)
    lines = np.concatenate([BORDER_SHARE * size, BORDER_SHARE * size - size])[:, None]
    # All callers get the same array.
    lines.setflags(write=False)
    return lines


@lru_cache(maxsize=16)
def _far_corners(image_size: tuple[int, int]) -> Float[np.ndarray, '4 1']:
    """Return the largest coordinates of corners in the image, px."""
    corners = np.array(image_size * 2, dtype=np.float64)[:, None]
    corners.setflags(write=False)
    return corners


def clip_boxes(
    boxes: Float[np.ndarray, 'box 4'], image_size: tuple[int, int]
) -> Float[np.ndarray, 'box 4']:
    """Return corner boxes as far as they lie in the image, px."""
    clipped: Float[np.ndarray, '4 box']
    clipped = np.minimum(np.maximum(boxes.T, _ZERO), _far_corners(image_size))
    return clipped.T


def boxes_to_centres(boxes: Float[np.ndarray, 'box 4']) -> Float[np.ndarray, 'box 4']:
    """Return cx, cy, w, h of corner boxes, in float64."""
    centres: Float[np.ndarray, '4 box'] = _CENTRES_FROM_CORNERS.dot(boxes.T)
    return centres.T


def boxes_of(moments: Float[np.ndarray, 'track 5 4']) -> Float[np.ndarray, 'track 4']:
    """Return the expected corner boxes x1, y1, x2, y2, px."""
    position = np.maximum(moments[:, POSITION].T, _LOWEST_POSITION)
    corners: Float[np.ndarray, '4 track'] = _CORNERS_FROM_CENTRES.dot(position)
    return corners.T


def body_sizes(moments: Float[np.ndarray, 'track 5 4']) -> Float[np.ndarray, 'track']:
    """Return each person's length in the image: the longer side of the box, at least 1 px."""
    width, height = moments[:, POSITION, 2], moments[:, POSITION, 3]
    sizes: Float[np.ndarray, 'track'] = np.maximum(np.maximum(width, height), _ONE)
    return sizes


def start(boxes: Float[np.ndarray, 'box 4'], model: MotionModel) -> Float[np.ndarray, 'box 5 4']:
    """Return the filter state of people seen for the first time."""
    moments = np.zeros((5, 4, len(boxes))).transpose(2, 0, 1)
    moments[:, POSITION] = boxes_to_centres(boxes)
    size = body_sizes(moments)[:, None]
    moments[:, VAR_POSITION] = (model.measurement_noise * size) ** 2
    moments[:, VAR_VELOCITY, :2] = (model.initial_speed * size) ** 2
    return moments


def _transition(travel_s: float, decay: float) -> Float[np.ndarray, '5 5']:
    """Return what the passage of time makes of the moments, as a matrix from the left.

    Args:
        travel_s: how long the velocity at the beginning would have to last to get as far, s.
        decay: share of the velocity that is left, [0, 1].
    """
    matrix = _STILL.copy()
    matrix[POSITION, VELOCITY] = travel_s
    matrix[VELOCITY, VELOCITY] = matrix[COVARIANCE, COVARIANCE] = decay
    matrix[VAR_POSITION, COVARIANCE] = 2.0 * travel_s
    matrix[VAR_POSITION, VAR_VELOCITY] = travel_s**2
    matrix[COVARIANCE, VAR_VELOCITY] = decay * travel_s
    matrix[VAR_VELOCITY, VAR_VELOCITY] = decay**2
    return matrix


def _diffusion(dt_s: float, model: MotionModel) -> Float[np.ndarray, '12 1']:
    """Return how much the variances of somebody of size 1 grow by not being seen.

    They are in the order of `moments`, from `VAR_POSITION` on.
    """
    density, drift = model.manoeuvre**2, model.size_drift**2
    of_position, covariance = density * dt_s**3 / 3.0, density * dt_s**2 / 2.0
    of_size, of_velocity = drift * dt_s, density * dt_s
    growth = [
        [of_position, of_position, of_size, of_size],
        [covariance, covariance, 0.0, 0.0],
        [of_velocity, of_velocity, 0.0, 0.0],
    ]
    return np.array(growth).reshape(12, 1)


def predict(
    moments: Float[np.ndarray, 'track 5 4'],
    dt_s: float,
    is_coasting: Bool[np.ndarray, 'track'],
    model: MotionModel,
) -> Float[np.ndarray, 'track 5 4']:
    """Return the filter state after some time without a measurement.

    Args:
        moments: state at the previous image; not changed.
        dt_s: time that has passed, s; 0 or more. Two steps give the same expectation as one
            of the same total time.
        is_coasting: tracks without a detection at present, whose velocity decays.
        model: noise constants.
    """
    count = len(moments)
    sizes = body_sizes(moments)
    # As a product of a column and a row: broadcasting takes twice as long.
    growth = _diffusion(dt_s, model).dot((sizes * sizes)[None])
    before = moments.transpose(1, 2, 0).reshape(5, -1)
    after: Float[np.ndarray, '5 4 track']
    after = _transition(dt_s, 1.0).dot(before).reshape(5, 4, count)
    if any(is_coasting.tolist()):
        fade = math.exp(-dt_s / model.coast_s)
        coasted = _transition(model.coast_s * (1.0 - fade), fade).dot(before)
        np.copyto(after, coasted.reshape(5, 4, count), where=is_coasting)
    after[VAR_POSITION:] += growth.reshape(3, 4, count)
    return after.transpose(2, 0, 1)


def correct(
    moments: Float[np.ndarray, 'track 5 4'],
    boxes: Float[np.ndarray, 'track 4'],
    noise_scales: Float[np.ndarray, 'track'] | None,
    model: MotionModel,
) -> Float[np.ndarray, 'track 5 4']:
    """Return the filter state after a measurement of every track.

    Args:
        moments: predicted state; not changed.
        boxes: measured corner boxes, px, one for each track.
        noise_scales: how many times noisier than usual each measurement is; above 1 for people
            who are partly hidden, whose boxes shift without them moving. `None` if none is.
        model: noise constants.
    """
    before = moments.transpose(1, 2, 0)
    scales = body_sizes(moments)
    if noise_scales is not None:
        scales = scales * noise_scales
    deviation = model.measurement_noise[:, None].dot(scales[None])
    measured_variance = deviation * deviation
    innovation = _CENTRES_FROM_CORNERS.dot(boxes.T) - before[POSITION]
    states, variances = before[:VAR_POSITION], before[VAR_POSITION:VAR_VELOCITY]
    # Of position and velocity at once: covariances with the position over its total variance.
    gains = variances / (variances[0] + measured_variance)

    after = np.empty(before.shape)
    np.add(states, gains * innovation, out=after[:VAR_POSITION])
    # This is (1 - gain of position) x covariance, in a form that rounding cannot make negative.
    np.multiply(gains, measured_variance, out=after[VAR_POSITION:VAR_VELOCITY])
    explained = gains[1] * variances[1]
    np.subtract(before[VAR_VELOCITY], explained, out=after[VAR_VELOCITY])
    return after.transpose(2, 0, 1)


def cut_sides(
    boxes: Float[np.ndarray, 'box 4'], image_size: tuple[int, int]
) -> Bool[np.ndarray, 'box 4']:
    """Return which sides of corner boxes lie on the image's border or beyond."""
    is_cut: Bool[np.ndarray, '4 box'] = _INWARDS.dot(boxes.T) <= _border_lines(image_size)
    return is_cut.T


def complete_boxes(
    boxes: Float[np.ndarray, 'track 4'],
    is_cut: Bool[np.ndarray, 'track 4'],
    expected_sizes: Float[np.ndarray, 'track 2'],
) -> tuple[Float[np.ndarray, 'track 4'], Bool[np.ndarray, 'track']]:
    """Return boxes with the parts that the image's border cuts off, and which were cut.

    The box of somebody walking out of the image shrinks, and its centre moves at half their
    speed and never leaves. Where one side lies on the border and the box is smaller than
    expected, that side is put where the expected size has it.

    Args:
        boxes: measured corner boxes, px.
        is_cut: see `cut_sides`.
        expected_sizes: width and height expected, px.
    """
    corners, is_side_cut = boxes.T, is_cut.T.reshape(2, 2, -1)
    missing = np.maximum(expected_sizes.T - (corners[2:] - corners[:2]), _ZERO)
    is_only_cut = is_side_cut > is_side_cut[::-1]
    shifts = (is_only_cut * missing).reshape(4, -1)
    completed: Float[np.ndarray, '4 track'] = corners - _INWARDS.dot(shifts)
    was_completed: Bool[np.ndarray, 'track'] = _EACH_SIDE.dot(shifts) > _ZERO
    return completed.T, was_completed


def reach_px(moments: Float[np.ndarray, 'track 5 4']) -> Float[np.ndarray, 'track 2']:
    """Return the standard deviation of the expected centre, x and y, px.

    It grows with the time since the last measurement, with the person's size and with how
    little is known of the velocity: the natural width of a gate.
    """
    deviations: Float[np.ndarray, 'track 2'] = np.sqrt(moments[:, VAR_POSITION, :2])
    return deviations
