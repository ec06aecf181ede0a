"""The page: figures, style, script and the charting library in one HTML file."""

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from ecommerce_assets.dashboard.library import library

# In dependency order.
SCRIPTS = ("lines", "elements", "view", "sales", "breakdowns", "quality", "start")


def page(figures: Mapping[str, Any]) -> str:
    """The dashboard as one self-contained HTML text.

    Names in the figures may contain anything: they are passed as JSON and shown as text, never as
    markup. A content security policy forbids requests.
    """
    folder = files(__package__ or "").joinpath("parts")
    parts = {
        "currency": escape(figures["currency"]),
        "zone": escape(figures["zone"]),
        "style": _read(folder, "page.css"),
        "library": _in_script(library()),
        # No text can close its element or open another.
        "figures": json.dumps(figures, ensure_ascii=False, separators=(",", ":")).replace(
            "<", "\\u003c"
        ),
        "script": _in_script("\n".join(_read(folder, f"{name}.js") for name in SCRIPTS)),
    }
    text = _read(folder, "page.html")
    before, *after = text.split("<!-- part: ")
    for piece in after:
        name, rest = piece.split(" -->", 1)
        before += parts[name] + rest
    return before


def _read(folder: Traversable, name: str) -> str:
    return folder.joinpath(name).read_text("utf-8")


def _in_script(text: str) -> str:
    """A text that can't close its element."""
    return text.replace("</script", "<\\/script")
