"""What a machine needs for this package, what it has, and what to do about the difference."""
