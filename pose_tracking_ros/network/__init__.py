"""Find people, poses and embeddings in an image: the multi-task network."""
