"""Static files with a hash of their content in their names, compressed once when they are collected."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Static storage that also puts the hashed names into `import` statements of our modules.

    Django's own `support_js_module_import_aggregation` would rewrite every script of every app, including minified ones
    in which `import(` may mean anything.
    """

    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        (
            "js/*.js",
            (
                (
                    r"""(?m)^(?P<matched>(?P<what>(?:import|export)\b[^"';]*)["'](?P<url>\.[^"']+)["'];)$""",
                    """%(what)s"%(url)s";""",
                ),
            ),
        ),
    )
    # A module's name follows from the names of what it imports: one pass for each level of imports, in the worst order.
    max_post_process_passes = 10
