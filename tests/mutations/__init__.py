"""Is each promise really proved? Take its mechanism out of a copy of the code, and see the tests that name it fail.

`make mutations` tries all of them, `make mutations PART="G3 G7"` those of two promises. It is not part of `make test`:
each one is a run of pytest. That the texts to replace still are where the list says is checked by `make check`.
"""
