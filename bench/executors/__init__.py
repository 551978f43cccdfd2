"""Where runs are executed. An executor takes jobs, carries them out somewhere, and reports events.

interface.py   Job, Event, Executor: what all of them share
local.py       this machine: one after the other, or several in processes of their own
cluster.py     the loop behind ray.py and slurm.py: submit, watch, retry, cancel
state.py       the small files beside the records that say how runs are doing
"""
