"""What a run leaves behind: results in memory, bags, text and JSON, pictures; without ROS."""
