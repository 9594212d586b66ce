"""Mutation tests of the promises: remove a mechanism from a copy of the code and expect its tests to fail.

`make mutations` tries all of them, `make mutations PART="G3 G7"` those of two promises. It is not part of `make test`:
each mutation is a run of pytest. `make check` checks that each text to replace is still in its file.
"""
