"""`make lint`: comments, docstrings and documents, by proselint and by the project's own vocabulary.

    python -m tools.prose

A line is checked under its own number, so that a finding names the file and line to edit.
"""

import ast
import io
import re
import subprocess
import sys
import tempfile
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
VOCABULARY = tomllib.loads(Path(__file__).with_name("vocabulary.toml").read_text("utf-8"))
CODE = ("ecommerce_assets", "ecommerce_assets_tests", "tools")
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs")


def prose_of_code(text: str) -> str:
    """The comments and docstrings of a module, each on the line on which it stands."""
    lines = [""] * (text.count("\n") + 2)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            constant = node.body[0]
            for n, line in enumerate(text.splitlines()[constant.lineno - 1 : constant.end_lineno]):
                lines[constant.lineno - 1 + n] = line.strip().strip('"')
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0] - 1] = token.string.lstrip("# ")
    return "\n".join(lines)


def prose_of_document(text: str) -> str:
    """A document without its code, line by line."""
    kept, code = [], False
    for line in text.splitlines():
        fence = line.lstrip().startswith("```")
        kept.append("" if code or fence else re.sub(r"`[^`]*`", "`code`", line))
        code ^= fence
    return "\n".join(kept)


def texts() -> Iterator[tuple[str, str]]:
    """The prose of each file, by its path below the repository."""
    for folder in CODE:
        for file in sorted((REPOSITORY / folder).rglob("*.py")):
            yield str(file.relative_to(REPOSITORY)), prose_of_code(file.read_text("utf-8"))
    for name in DOCUMENTS:
        path = REPOSITORY / name
        for file in sorted(path.rglob("*.md")) if path.is_dir() else [path]:
            yield str(file.relative_to(REPOSITORY)), prose_of_document(file.read_text("utf-8"))


def findings() -> list[str]:
    """One line per finding: file, line, what to write instead."""
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for path, text in texts():
            copy = Path(folder, f"{path}.txt" if path.endswith(".py") else path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            # A line of its own for each blank one: proselint would read on across them.
            numbered = (line or f"[{n}]" for n, line in enumerate(text.splitlines()))
            copy.write_text("\n".join(numbered), "utf-8")
            for number, line in enumerate(text.splitlines(), 1):
                found += [
                    f"{path}:{number}: {pattern!r}: {instead}"
                    for pattern, instead in VOCABULARY["instead"].items()
                    if re.search(pattern, line, re.IGNORECASE)
                ]
        proselint = str(Path(sys.executable).with_name("proselint"))
        done = subprocess.run(
            [proselint, "check", folder], capture_output=True, text=True, check=False
        )
        if done.returncode not in (0, 1):
            sys.exit(f"proselint did not run: {done.stderr}")
        lines = done.stdout.replace(f"{folder}/", "").replace(".py.txt", ".py").splitlines()
        found += [
            line for line in lines if not any(f" {name}." in line for name in VOCABULARY["ignored"])
        ]
    return found


def main() -> None:
    """Print the findings; exit code 1 if there are any."""
    found = findings()
    print("\n".join(found))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
