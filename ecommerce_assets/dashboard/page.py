"""The page: figures, style, script and the charting library in one HTML file."""

import json
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

# In this order: each uses what those before it define.
SCRIPTS = ("lines", "elements", "view", "sales", "quality", "start")


def page(figures: Mapping[str, Any]) -> str:
    """The dashboard as one HTML text that needs nothing from outside.

    Names in the figures can hold anything: they reach the page as JSON and become texts, never
    markup; a policy in the page's head forbids requests.
    """
    # It takes a second to load, which only this page is to pay for.
    import vl_convert

    folder = files(__package__ or "").joinpath("parts")
    parts = {
        "style": _read(folder, "page.css"),
        "library": _in_script(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")),
        # No name can end the element that it stands in, or begin another.
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
    """A text that can't end the element it stands in."""
    return text.replace("</script", "<\\/script")
