"""The example policy for SROS 2 allows what the nodes do, and nothing they never do."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

POLICY = Path(__file__).parents[2] / 'config' / 'sros2_policy.xml'
# Of other processes, or only with parts of ROS that PyPI lacks.
OF_OTHER_CASES = {
    '/clock', '/tf', '/tf_static', '/image/compressed', '/depth/image/compressedDepth',
}  # fmt: skip


def allowed(node):
    """Return what the policy lets a node do: kind to full names."""
    (profile,) = [
        p for p in ElementTree.parse(POLICY).getroot().iter('profile') if p.get('node') == node
    ]
    names = {'subscribe': set(), 'publish': set(), 'reply': set(), 'request': set()}
    for group in profile:
        for kind in names.keys() & group.keys():
            assert group.get(kind) == 'ALLOW'
            names[kind] |= {
                f'/{entry.text.replace("~", node)}'.replace('//', '/') for entry in group
            }
    return names


def used(graph, node):
    def names(get):
        return {n.removeprefix(graph.namespace) for n, _ in get(node, graph.namespace)}

    return {
        'subscribe': names(graph.peer.get_subscriber_names_and_types_by_node),
        'publish': names(graph.peer.get_publisher_names_and_types_by_node),
        'reply': names(graph.peer.get_service_names_and_types_by_node),
        'request': names(graph.peer.get_client_names_and_types_by_node),
    }


@pytest.mark.parametrize('transport', ['raw', 'compressed'])
def test_the_tracker_may_do_what_it_does(graph, engine, transport):
    graph.tracker(engine, use_depth=True, image_transport=transport)
    graph.until(lambda: '/camera_info' in used(graph, 'tracker_node')['subscribe'], 'camera_info')
    may, does = allowed('tracker_node'), used(graph, 'tracker_node')
    for kind in may:
        assert does[kind] <= may[kind], kind
    if transport == 'raw':
        assert {kind: may[kind] - does[kind] - OF_OTHER_CASES for kind in may} == {
            kind: set() for kind in may
        }
    else:
        assert '/image/compressed' in does['subscribe']


def test_the_video_source_may_do_what_it_does(graph):
    from pose_tracking_ros.ros.video_source import VideoSourceNode

    class Source:
        image_size = (4, 4)
        rate_hz = 10.0
        intrinsics = None

        def __iter__(self):
            yield 0.0, np.zeros((4, 4, 3), np.uint8)

        def close(self):
            pass

    node = graph.add(VideoSourceNode(lambda video, rate_hz: Source(), **graph.options()))
    assert node.start()
    graph.until(lambda: '/image' in used(graph, 'video_source')['publish'], 'publishers')
    may, does = allowed('video_source'), used(graph, 'video_source')
    for kind in may:
        assert does[kind] <= may[kind], kind


def test_a_client_may_use_what_the_tracker_offers(graph, engine):
    graph.tracker(engine, is_started=True)
    graph.until(lambda: '/tracked_poses' in used(graph, 'tracker_node')['publish'], 'publishers')
    client, tracker = allowed('tracker_client'), used(graph, 'tracker_node')
    assert client['subscribe'] <= tracker['publish']
    assert client['request'] <= tracker['reply']
