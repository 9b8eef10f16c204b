"""The demonstration: source and tracker run as ROS 2 programs, and what they publish is kept."""
