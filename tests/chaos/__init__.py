"""The storm: a whole Deskhand under load while its parts are killed, paused and cut off, then a checker.

`make chaos` runs it for ten minutes; `SEED=` repeats the same faults.
"""
