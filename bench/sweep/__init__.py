"""`bench sweep`: try settings on some seeds, run the best of each task again on others."""
