"""The doctor in a real graph: cameras, trackers, QoS."""

import os


def examined(graph, image=None, listen_s=30.0):
    """Return the findings, with the test's own nodes spinning in the meantime."""
    import threading

    from pose_tracking_ros.ros.graph_examination import examine_graph

    end = threading.Event()

    def spin():
        while not end.is_set():
            graph.executor.spin_once(timeout_sec=0.02)

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        return list(examine_graph(image, listen_s))
    finally:
        end.set()
        thread.join()


def about(findings, subject):
    return [finding for finding in findings if finding.subject == subject]


def test_an_empty_graph_says_what_to_start(graph):
    from pose_tracking_ros.doctor.findings import Level

    findings = examined(graph, listen_s=0.5)
    (camera,), (tracker,) = about(findings, 'camera'), about(findings, 'tracker')
    assert (camera.level, tracker.level) == (Level.WARNING, Level.WARNING)
    assert 'start the camera driver' in camera.remedy
    assert 'ros2 launch pose_tracking_ros tracker.launch.py' in tracker.remedy


def test_a_camera_that_was_named_and_is_not_there_is_an_error(graph):
    from pose_tracking_ros.doctor.findings import Level

    camera = graph.camera(topic='front/image_raw')
    (finding,) = about(examined(graph, image='/image', listen_s=5.0), 'camera')
    assert finding.level == Level.ERROR
    assert 'nobody publishes there' in finding.text
    assert camera.topic_name in finding.remedy
    found = examined(graph, image=camera.topic_name, listen_s=5.0)
    assert [finding.level for finding in about(found, 'camera')] == [Level.OK]


def test_a_tracker_is_found_with_what_it_says(graph, engine):
    from pose_tracking_ros.doctor.findings import Level

    camera = graph.camera()
    tracker = graph.tracker(engine, diagnostics_period_s=0.2)
    graph.connect(camera, tracker)
    findings = examined(graph)
    (finding,) = about(findings, 'tracker')
    assert finding.level == Level.OK, finding
    assert finding.text.startswith(f'{tracker.get_fully_qualified_name()}: tracking')
    assert not about(findings, 'QoS')


def test_a_tracker_that_asks_for_more_than_the_camera_offers_is_an_error(graph, engine):
    from pose_tracking_ros.doctor.findings import Level

    graph.camera(reliability='best_effort')
    graph.tracker(engine, image_qos='reliable', diagnostics_period_s=0.2)
    (finding,) = about(examined(graph), 'QoS')
    assert finding.level == Level.ERROR
    assert 'offers best_effort' in finding.text
    assert 'Set image_qos to auto' in finding.remedy


def test_the_installation_is_examined(monkeypatch, tmp_path):
    from pose_tracking_ros.doctor.findings import Level
    from pose_tracking_ros.ros import graph_examination

    for name in graph_examination._PROFILES:
        monkeypatch.delenv(name, raising=False)
    found = {finding.subject: finding for finding in graph_examination.examine_ros()}
    assert found['messages'].level == Level.OK
    assert found['Fast DDS profile'].level == Level.WARNING
    monkeypatch.setitem(os.environ, graph_examination._PROFILES[0], str(tmp_path / 'none.xml'))
    assert graph_examination._profile().level == Level.ERROR
    (tmp_path / 'none.xml').write_text('<dds/>')
    assert graph_examination._profile().level == Level.OK
