"""Storm: a whole installation under load while its parts are killed, paused and cut off, then checked.

`make chaos` runs it for ten minutes; `SEED=` repeats the same faults.
"""
