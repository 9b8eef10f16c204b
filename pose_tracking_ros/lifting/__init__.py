"""From joints in an image and a depth image to joints, people and velocities in metres."""
