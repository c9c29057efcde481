"""Real daemons under real faults, drawn by seed: each round ends in agreement with nothing lost, or fails."""
