"""Stand-ins for message packages that PyPI lacks, made from their published definitions.

As strict as the real ones: unknown fields, and values of another type, are refused.
"""

import types

HRI_MSGS = {
    'IdsList': {'header': 'Header', 'ids': 'string[]'},
    'NormalizedRegionOfInterest2D': {
        'header': 'Header',
        'xmin': 'float32',
        'ymin': 'float32',
        'xmax': 'float32',
        'ymax': 'float32',
        'c': 'float32',
    },
    'NormalizedPointOfInterest2D': {'x': 'float32', 'y': 'float32', 'c': 'float32'},
    'Skeleton2D': {'header': 'Header', 'skeleton': 'NormalizedPointOfInterest2D[18]'},
    'IdsMatch': {
        'id1': 'string',
        'id1_type': 'int8',
        'id2': 'string',
        'id2_type': 'int8',
        'confidence': 'float32',
    },
}
"""hri_msgs 2.0.0."""

HRI_CONSTANTS = {
    'Skeleton2D': (
        'NOSE NECK RIGHT_SHOULDER RIGHT_ELBOW RIGHT_WRIST LEFT_SHOULDER LEFT_ELBOW LEFT_WRIST '
        'RIGHT_HIP RIGHT_KNEE RIGHT_ANKLE LEFT_HIP LEFT_KNEE LEFT_ANKLE LEFT_EYE RIGHT_EYE '
        'LEFT_EAR RIGHT_EAR'
    ),
    'IdsMatch': 'UNSET PERSON FACE BODY VOICE',
}
"""In the order of their values, from 0."""

_DETECTIONS = {
    'BoundingBox2D': {'center': 'Pose2D', 'size_x': 'float64', 'size_y': 'float64'},
    'ObjectHypothesis': {'class_id': 'string', 'score': 'float64'},
    'ObjectHypothesisWithPose': {'hypothesis': 'ObjectHypothesis', 'pose': 'PoseWithCovariance'},
    'Detection2D': {
        'header': 'Header',
        'results': 'ObjectHypothesisWithPose[]',
        'bbox': 'BoundingBox2D',
        'id': 'string',
    },
    'Detection2DArray': {'header': 'Header', 'detections': 'Detection2D[]'},
}

VISION_MSGS_3 = {
    'Pose2D': {'x': 'float64', 'y': 'float64', 'theta': 'float64'},
    **_DETECTIONS,
}
"""vision_msgs 3.0.2; Pose2D is that of geometry_msgs."""

VISION_MSGS_4 = {
    'Point2D': {'x': 'float64', 'y': 'float64'},
    'Pose2D': {'position': 'Point2D', 'theta': 'float64'},
    **_DETECTIONS,
}
"""vision_msgs 4.1.1."""

PEOPLE_MSGS = {
    'Person': {
        'name': 'string',
        'position': 'Point',
        'velocity': 'Point',
        'reliability': 'float64',
        'tagnames': 'string[]',
        'tags': 'string[]',
    },
    'People': {'header': 'Header', 'people': 'Person[]'},
}
"""people_msgs 1.3.0."""

_PLAIN = {'string': str, 'float32': float, 'float64': float, 'int8': int}


def stand_in(definitions, constants=()):
    """Return a module with a class per message."""
    from geometry_msgs.msg import Point, PoseWithCovariance
    from std_msgs.msg import Header

    known = {'Header': Header, 'Point': Point, 'PoseWithCovariance': PoseWithCovariance}
    module = types.SimpleNamespace()
    for name, fields in definitions.items():
        known[name] = _message_class(name, fields, known)
        for value, constant in enumerate(dict(constants).get(name, '').split()):
            setattr(known[name], constant, value)
        setattr(module, name, known[name])
    return module


class _StandIn:
    """A message of which subclasses state the fields, and the types these may have."""

    __slots__ = ()

    def __init__(self, **values):
        for field in self.fields:
            setattr(self, field, values.pop(field, self._default(field)))
        assert not values, f'{type(self).__name__} has no {", ".join(values)}'

    def __setattr__(self, field, value):
        assert field in self.fields, f'{type(self).__name__} has no {field}'
        element, is_list, count = self._type_of(field)
        if is_list:
            assert isinstance(value, list)
            assert not count or len(value) == int(count)
        for part in value if is_list else [value]:
            assert isinstance(part, element), f'{field} is {self.fields[field]}, got {part!r}'
        object.__setattr__(self, field, value)

    @classmethod
    def get_fields_and_field_types(cls):
        return dict(cls.fields)

    def _default(self, field):
        element, is_list, count = self._type_of(field)
        return [element() for _ in range(int(count or 0))] if is_list else element()

    def _type_of(self, field):
        name, bracket, count = self.fields[field].rstrip(']').partition('[')
        return _PLAIN.get(name) or self.known[name], bool(bracket), count


def _message_class(name, fields, known):
    return type(name, (_StandIn,), {'__slots__': tuple(fields), 'fields': fields, 'known': known})
