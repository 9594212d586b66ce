"""What every process of the storm's Deskhand does first, because this folder is on its PYTHONPATH.

The launcher starts the real store and tells the others where it is; they go there through the storm's proxy.
"""

from __future__ import annotations

import os

if "S3_ENDPOINT_URL" in os.environ and "CHAOS_STORE" in os.environ:
    os.environ["S3_ENDPOINT_URL"] = os.environ["CHAOS_STORE"]
