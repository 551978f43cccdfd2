"""The harness: compares offline RL algorithms fairly."""

from bench.episodes import load_scores

__all__ = ["load_scores"]
