"""Show results: overlays, video, contact sheets."""
