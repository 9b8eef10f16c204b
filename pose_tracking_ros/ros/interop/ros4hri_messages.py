"""Tracks as messages of `hri_msgs` 2, and ids as REP-155 and ROS 2 want them."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any

import numpy as np

from pose_tracking_ros.people import Track
from pose_tracking_ros.skeleton import Skeleton

_HASH_DIGITS = 6


def body_prefix(wanted: str, namespace: str) -> str:
    """Return what body ids begin with, so that trackers of several cameras do not collide.

    Args:
        wanted: taken if there is any.
        namespace: of the node, as `/front/left`.
    """
    tokens = [token for token in namespace.split('/') if token]
    return wanted or '_'.join([*tokens, 'b'])


def identifier_of(name: str) -> str:
    """Return a person's name as a valid token of ROS names, the same at any time.

    Names that are no such token get a hash, so that no two names become the same identifier
    (`Anna`, but `Anna_Muller_3f2a91` and `Anna_Muller_7c01d4` for two spellings).
    """
    plain = unicodedata.normalize('NFKD', name).encode('ascii', 'ignore').decode()
    token = re.sub(r'[^A-Za-z0-9]+', '_', plain).strip('_')
    if not token or not token[0].isalpha():
        token = f'p_{token}'.rstrip('_')
    if token == name:
        return token
    return f'{token}_{hashlib.sha256(name.encode()).hexdigest()[:_HASH_DIGITS]}'


def region_message(messages: Any, track: Track, image_size: tuple[int, int], header: Any) -> Any:
    """Return a track's box as a share of the image, cut at its border.

    Its score is 0 where the person is expected but was not found in this image.

    Args:
        messages: the module `hri_msgs.msg`.
        track: whose.
        image_size: width and height, px.
        header: of the image.
    """
    shares = np.clip(np.asarray(track.box, np.float64) / np.tile(image_size, 2), 0.0, 1.0)
    x_min, y_min, x_max, y_max = map(float, shares)
    return messages.NormalizedRegionOfInterest2D(
        header=header,
        xmin=x_min,
        ymin=y_min,
        xmax=x_max,
        ymax=y_max,
        c=float(track.score) if track.is_matched else 0.0,
    )


def skeleton_message(
    messages: Any, track: Track, skeleton: Skeleton, image_size: tuple[int, int], header: Any
) -> Any:
    """Return a track's joints as shares of the image, by the constants of the message.

    Joints that are not known, or lie outside the image, are (0, 0) with score 0: the message
    allows nothing outside [0, 1]. The neck is the middle of the shoulders, with the lower score of
    both.

    Args:
        messages: the module `hri_msgs.msg`.
        track: whose.
        skeleton: of the track's keypoints.
        image_size: width and height, px.
        header: of the image.
    """
    shoulders = [skeleton.index(f'{side}_shoulder') for side in ('left', 'right')]
    shares = np.asarray(track.keypoints, np.float64) / image_size
    shares = np.vstack([shares, shares[shoulders].mean(axis=0)])
    scores = np.append(track.keypoint_scores, min(track.keypoint_scores[shoulders]))
    # NaN is neither.
    is_inside = np.all((shares >= 0) & (shares <= 1), axis=1)
    message = messages.Skeleton2D(header=header)
    names = (*skeleton.joints, 'neck')
    rows = zip(names, is_inside.tolist(), shares.tolist(), scores.tolist(), strict=True)
    for name, is_known, (x, y), score in rows:
        if is_known:
            point = message.skeleton[getattr(messages.Skeleton2D, name.upper())]
            point.x, point.y, point.c = x, y, score
    return message


def match_message(messages: Any, body_id: str, person_id: str, score: float) -> Any:
    """Return that a body is, or with score 0 is not any more, a person's.

    Args:
        messages: the module `hri_msgs.msg`.
        body_id: of the body.
        person_id: as a valid identifier.
        score: how sure that is, in [0, 1].
    """
    return messages.IdsMatch(
        id1=body_id,
        id1_type=messages.IdsMatch.BODY,
        id2=person_id,
        id2_type=messages.IdsMatch.PERSON,
        confidence=score,
    )
