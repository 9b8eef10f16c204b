"""Link detections over time into tracks."""
