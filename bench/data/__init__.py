"""Data sets as files: fetching, making, verifying and describing them."""
