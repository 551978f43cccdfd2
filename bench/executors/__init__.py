"""Where runs are executed. An executor takes runs and a function that works on one, and reports events."""
