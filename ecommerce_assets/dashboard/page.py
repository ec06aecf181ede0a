"""The page: figures, style, script and the charting library in one HTML file."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


def page(figures: Mapping[str, Any]) -> str:
    """The dashboard as one HTML text that needs nothing from outside.

    Names in the figures can hold anything: they reach the page as JSON and become texts, never
    markup; a policy in the page's head forbids requests.
    """
    # It takes a second to load, which only this page is to pay for.
    import vl_convert

    folder = files(__package__ or "")
    parts = {
        "style": folder.joinpath("page.css").read_text("utf-8"),
        "library": _in_script(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")),
        # No name can end the element that it stands in, or begin another.
        "figures": json.dumps(figures, ensure_ascii=False, separators=(",", ":")).replace(
            "<", "\\u003c"
        ),
        "script": _in_script(folder.joinpath("page.js").read_text("utf-8")),
    }
    text = folder.joinpath("page.html").read_text("utf-8")
    before, *after = text.split("<!-- part: ")
    for piece in after:
        name, rest = piece.split(" -->", 1)
        before += parts[name] + rest
    return before


def _in_script(text: str) -> str:
    """A text that can't end the element it stands in."""
    return text.replace("</script", "<\\/script")
