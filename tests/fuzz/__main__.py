"""Read thousands of damaged files: ``make fuzz CASES=5000 SEED=0``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.fuzz.campaign import run


def main() -> None:
    """Print each failure, and where its files are."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tumor-unet-fuzz-"))
    counts = Counter[str]()
    for failure in run(options.cases, options.seed, folder):
        counts[failure.kind] += 1
        print(f"seed {options.seed}, case {failure.case}, {failure.kind}: {failure.what}", flush=True)
        print(f"  {failure.folder}", flush=True)
    print(f"{options.cases} cases of seed {options.seed}, {counts.total()} failed {dict(counts) or ''}")
    if counts:
        sys.exit(f"The files are in {folder}")


if __name__ == "__main__":
    main()
