"""Static files under hashed names, ES module imports included."""

from __future__ import annotations

from servestatic.storage import CompressedManifestStaticFilesStorage


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped
    """Rewrites imports between modules to the hashed names, so that they need no bundler."""

    support_js_module_import_aggregation = True
