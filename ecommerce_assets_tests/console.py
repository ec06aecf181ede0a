"""The console script, called in this process: as a user sees it, without the start of a Python."""

import io
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

from ecommerce_assets.cli.main import main


@dataclass(frozen=True)
class Done:
    """What a call said."""

    stdout: str
    stderr: str


def ecommerce(*args: str, environment: Mapping[str, str], code: int = 0) -> Done:
    """Call it with the environment as well; its exit code must be `code`."""
    out, err, ended = io.StringIO(), io.StringIO(), 0
    with (
        patch.dict(os.environ, environment),
        patch.object(sys, "argv", ["ecommerce", *args]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as exit_:
            ended = int(exit_.code or 0)
    assert ended == code, " ".join(args) + "\n" + out.getvalue() + err.getvalue()
    return Done(out.getvalue(), err.getvalue())
