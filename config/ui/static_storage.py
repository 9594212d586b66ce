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
    # A module's hash depends on the hashed names of its imports: at worst one pass per level of imports.
    max_post_process_passes = 10
