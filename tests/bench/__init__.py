"""`make bench`: how fast an installation is on this machine, beside the bare limits of the same machine.

Everything is measured in one run on a throw-away installation with real durability, over loopback only.
"""
