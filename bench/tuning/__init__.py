"""Tuning is part of the score: what is reached when only so many settings or episodes may be tried."""
