"""Models of tools.

Builtin tools are code (`tools/builtin/`); custom tools, secrets and connections will be rows here.
"""

from __future__ import annotations
