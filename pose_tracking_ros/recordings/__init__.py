"""What runs leave and replays read: results in memory, bags, text and JSON, pictures; no ROS."""
