"""Submissions: records of runs in one archive, and the checks that a stranger's archive has to pass."""
