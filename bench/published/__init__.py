"""Scores that others report: read, checked and shown beside the runs made here, never mixed with them."""
