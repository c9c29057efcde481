"""Write every vector file again: ``python -m tests.vectors.generate``. The same bytes each time."""

import json
from pathlib import Path

from tests.vectors import feeds, headers, logs, seals, statements
from tests.vectors.people import Vector

FOLDER = Path(__file__).parent


def files() -> dict[str, str]:
    """Path below this folder and content of each file."""
    made: dict[str, str] = {}
    for module in (headers, statements, logs, feeds, seals):
        for vector in module.vectors():
            path = f"{vector.folder}/{vector.name}.json"
            if path in made:
                raise ValueError(f"two vectors are called {path}")
            made[path] = _text(vector)
    return made


def _text(vector: Vector) -> str:
    return json.dumps(vector.content, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the files and take away those that are no longer made."""
    made = files()
    for old in FOLDER.glob("*/*.json"):
        if str(old.relative_to(FOLDER)) not in made:
            old.unlink()
    for path, text in made.items():
        (FOLDER / path).parent.mkdir(exist_ok=True)
        (FOLDER / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
