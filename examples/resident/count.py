"""A resident program in Python: counts the words of each file of a datum.

What is slow to load is loaded once, before it says that it is ready. Needs nothing but Python.
"""

import json
import os
import sys
from pathlib import Path

OUT = Path(os.environ.get("FALCONERI_PFS", "/pfs")) / "out"


def main() -> None:
    """Answer each line with a line. stdout is for these alone: whatever else prints, to stderr."""
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        try:
            work_on(json.loads(line)["start"]["inputs"])
            answer = {"done": True}
        except Exception as error:  # noqa: BLE001 - whatever it is fails its datum only
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def work_on(inputs: list[dict[str, str]]) -> None:
    """Write the number of words of each input."""
    for each in inputs:
        path = Path(each["path"])
        count = len(path.read_text().split())
        print(f"{each['uri']}: {count} words")
        (OUT / path.name).write_text(f"{count}\n")


if __name__ == "__main__":
    main()
