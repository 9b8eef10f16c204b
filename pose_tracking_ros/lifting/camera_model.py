"""Where in space a pixel looks: a calibrated camera with lens distortion.

`sensor_msgs/CameraInfo` follows OpenCV, whose pixel centres are whole numbers; ours lie at 0.5.
The difference is half a pixel, 3 mm at 3 m with a webcam, so it is kept out of the arrays here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float

# How many coefficients OpenCV takes for each model of ROS.
_COEFFICIENTS: dict[str, tuple[int, ...]] = {
    'plumb_bob': (0, 4, 5),
    'rational_polynomial': (0, 8, 12, 14),
    'equidistant': (0, 4),
}
_CALIBRATE = (
    'Calibrate the camera (camera_calibration cameracalibrator) or correct the driver, so that '
    'camera_info is right'
)
# Width to height of two images of one camera may differ by rounding only.
_MAX_ASPECT_DIFFERENCE = 0.01
# OpenCV inverts lenses by iteration; stop when it moves by less than a thousandth of a pixel.
_CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-8)


class CameraModelError(ValueError):
    """A calibration cannot be used. The text says what was expected, what came, what to do."""


@dataclass(frozen=True, eq=False)
class CameraModel:
    """A pinhole camera with lens distortion, in its optical frame: x right, y down, z forward.

    Attributes:
        image_size: width and height of the images it describes, px.
        focal_px: focal lengths in x and y, px.
        centre_px: where the optical axis meets the image, px; 0.5 is a pixel's middle.
        distortion_model: `plumb_bob`, `rational_polynomial` or `equidistant`.
        coefficients: of the distortion, in OpenCV's order; none for a lens without.
    """

    image_size: tuple[int, int]
    focal_px: tuple[float, float]
    centre_px: tuple[float, float]
    distortion_model: str = 'plumb_bob'
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            CameraModelError: a size or focal length is not positive, a number is not finite, or
                the distortion is none that is known.
        """
        numbers = (*self.focal_px, *self.centre_px, *self.coefficients)
        if not np.isfinite(numbers).all():
            raise CameraModelError(
                f'camera_info: expected finite numbers, got focal length {self.focal_px}, '
                f'centre {self.centre_px}, distortion {self.coefficients}. {_CALIBRATE}'
            )
        if min(self.image_size) <= 0:
            raise CameraModelError(
                f'camera_info: expected the size of the image, got {self.image_size[0]} x '
                f'{self.image_size[1]}. {_CALIBRATE}'
            )
        if min(self.focal_px) <= 0:
            raise CameraModelError(
                f'camera_info: expected a focal length above 0 px, got {self.focal_px[0]:g} and '
                f'{self.focal_px[1]:g}: the camera is not calibrated. {_CALIBRATE}'
            )
        if self.distortion_model not in _COEFFICIENTS:
            raise CameraModelError(
                f'camera_info: expected distortion_model {", ".join(_COEFFICIENTS)}, '
                f'got {self.distortion_model!r}. {_CALIBRATE}, or use rectified images'
            )
        allowed = _COEFFICIENTS[self.distortion_model]
        if len(self.coefficients) not in allowed:
            raise CameraModelError(
                f'camera_info: expected {" or ".join(map(str, allowed))} coefficients for '
                f'{self.distortion_model}, got {len(self.coefficients)}. {_CALIBRATE}'
            )

    @classmethod
    def from_message(
        cls, message: Any, image_size: tuple[int, int], *, is_rectified: bool = False
    ) -> CameraModel:
        """Return the camera of a `sensor_msgs/CameraInfo`, from rclpy or a bag reader.

        Binning and a region of interest count: the model is that of the image as it is sent.

        Args:
            message: the calibration. One without a size (0 x 0) holds for images of any.
            image_size: width and height of the image, px; the calibration may be for another size
                of the same view.
            is_rectified: whether the images are rectified already, so that `p` holds for them and
                they have no distortion.

        Raises:
            CameraModelError: the calibration is missing, makes no sense, or is of another view.
        """
        # Bag readers name the fields of ROS 1 and older definitions in capitals.
        k, p, d = (
            np.asarray(getattr(message, name, getattr(message, name.upper(), ())), np.float64)
            for name in 'kpd'
        )
        matrix, columns = (p, 4) if is_rectified else (k, 3)
        if matrix.size != 3 * columns:
            raise CameraModelError(
                f'camera_info: expected a matrix of {3 * columns} numbers, got {matrix.size}. '
                f'{_CALIBRATE}'
            )
        fx, cx, fy, cy = matrix[[0, 2, columns + 1, columns + 2]].tolist()
        binning = [max(int(getattr(message, f'binning_{axis}', 0)), 1) for axis in 'xy']
        x0, y0, width, height = 0, 0, message.width, message.height
        roi = getattr(message, 'roi', None)
        # All zero is the whole image.
        if roi is not None and roi.width > 0 and roi.height > 0:
            x0, y0, width, height = roi.x_offset, roi.y_offset, roi.width, roi.height
        own_size = (width // binning[0], height // binning[1])
        return cls(
            image_size=own_size if own_size != (0, 0) else image_size,
            focal_px=(fx / binning[0], fy / binning[1]),
            centre_px=((cx + 0.5 - x0) / binning[0], (cy + 0.5 - y0) / binning[1]),
            # Drivers of lenses without distortion leave the name out.
            distortion_model='plumb_bob'
            if is_rectified
            else message.distortion_model or 'plumb_bob',
            coefficients=() if is_rectified or not d.any() else tuple(d.tolist()),
        ).scaled_to(image_size)

    def scaled_to(self, image_size: tuple[int, int]) -> CameraModel:
        """Return the same camera for images of another size that show the same view.

        Args:
            image_size: width and height, px.

        Raises:
            CameraModelError: width and height have another proportion, so it shows another view.
        """
        if image_size == self.image_size:
            return self
        x, y = (new / old for new, old in zip(image_size, self.image_size, strict=True))
        if min(image_size) <= 0 or abs(x / y - 1) > _MAX_ASPECT_DIFFERENCE:
            raise CameraModelError(
                f'camera_info: expected the size of the image, {image_size[0]} x {image_size[1]}, '
                f'or one of the same proportion; got {self.image_size[0]} x {self.image_size[1]}. '
                'Remap camera_info to the topic that belongs to the image'
            )
        return CameraModel(
            image_size=image_size,
            focal_px=(self.focal_px[0] * x, self.focal_px[1] * y),
            centre_px=(self.centre_px[0] * x, self.centre_px[1] * y),
            distortion_model=self.distortion_model,
            coefficients=self.coefficients,
        )

    def rays_from_pixels(self, pixels: Float[np.ndarray, '*batch 2']) -> np.ndarray:
        """Return directions x, y, 1 of lines of sight: times depth, they are points in space.

        Args:
            pixels: x, y in px; NaN gives NaN.

        Returns:
            float64 of shape `*batch 3`; NaN where the lens cannot show the pixel.
        """
        points = np.asarray(pixels, dtype=np.float64)
        normal = (points - self.centre_px) / self.focal_px
        rays = np.concatenate([normal, np.ones((*points.shape[:-1], 1))], axis=-1)
        known = np.isfinite(normal).all(axis=-1)
        if self.coefficients and known.any():
            distorted = normal[known].reshape(-1, 1, 2)
            coefficients = np.array(self.coefficients)
            if self.distortion_model == 'equidistant':
                straight = cv2.fisheye.undistortPoints(
                    distorted, np.eye(3), coefficients, criteria=_CRITERIA
                )
                # OpenCV marks what it cannot solve by this number.
                straight[np.abs(straight) >= 1e6] = np.nan
            else:
                straight = cv2.undistortPointsIter(
                    distorted, np.eye(3), coefficients, np.eye(3), np.eye(3), _CRITERIA
                )
            rays[known, :2] = straight.reshape(-1, 2)
        rays[~known] = np.nan
        return rays

    def pixels_from_points(self, points: Float[np.ndarray, '*batch 3']) -> np.ndarray:
        """Return where points in the optical frame (m) are seen, px, float64.

        NaN for points that are NaN or not before the camera.
        """
        array = np.asarray(points, dtype=np.float64)
        pixels = np.full((*array.shape[:-1], 2), np.nan)
        seen = np.isfinite(array).all(axis=-1) & (array[..., 2] > 0)
        if not seen.any():
            return pixels
        normal = array[seen][:, :2] / array[seen][:, 2:]
        if self.coefficients:
            coefficients = np.array(self.coefficients)
            if self.distortion_model == 'equidistant':
                distorted: Any = cv2.fisheye.distortPoints(
                    normal.reshape(-1, 1, 2), np.eye(3), coefficients
                )
            else:
                flat = np.column_stack([normal, np.ones(len(normal))])
                distorted, _ = cv2.projectPoints(
                    flat, np.zeros(3), np.zeros(3), np.eye(3), coefficients
                )
            normal = np.asarray(distorted, dtype=np.float64).reshape(-1, 2)
        pixels[seen] = normal * self.focal_px + self.centre_px
        return pixels
