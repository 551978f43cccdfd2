"""`bench doctor`: is the installation complete, and what to do where it is not."""
