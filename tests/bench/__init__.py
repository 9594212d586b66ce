"""`make bench`: speed of an installation on this machine, compared with the bare limits of the same machine.

Everything is measured in one run on a throw-away installation with real durability, over loopback only.
"""
