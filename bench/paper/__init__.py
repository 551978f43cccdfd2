"""`bench paper`: the records of a suite as the tables, figures and experimental details of a paper."""
