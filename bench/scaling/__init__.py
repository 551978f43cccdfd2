"""Test-time scaling: what an algorithm gains from more computation per action."""
