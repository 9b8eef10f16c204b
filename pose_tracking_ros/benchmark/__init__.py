"""How fast the whole thing is, stage by stage, and beside other programs."""
