"""Hooks of the documents' site (mkdocs.yml): Mermaid comes with the site, not from a CDN.

`make docs` puts it into the virtual environment, by npm. Without npm, pages load it from the theme's
CDN, and a diagram needs a network.
"""

import logging
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

SHIPPED = "assets/mermaid.min.js"
SOURCE = Path(sys.prefix) / "share" / "mermaid" / "package" / "dist" / "mermaid.min.js"
_log = logging.getLogger("mkdocs.hooks")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Load it before the theme would."""
    if SOURCE.is_file():
        config.extra_javascript.append(SHIPPED)
    else:
        _log.info("no %s: diagrams are drawn by a script from a CDN", SOURCE)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add it to the site."""
    if SOURCE.is_file():
        files.append(File.generated(config, SHIPPED, abs_src_path=str(SOURCE)))
    return files
