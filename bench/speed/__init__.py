"""How fast the algorithms train and act on this machine, and compared with other libraries."""
