"""Make src/crossdistill/datasets/bundled/*.npz from the research data; the same source gives the same bytes.

python scripts/build_bundled.py --source ../shared/data
"""

from __future__ import annotations

import argparse
from pathlib import Path

from crossdistill.datasets import emoji, watch
from crossdistill.datasets.bundles import save_bundle

BUNDLED = Path(__file__).parents[1] / "src" / "crossdistill" / "datasets" / "bundled"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="folder with emoji.npz and watch.npz")
    parser.add_argument("--output", type=Path, default=BUNDLED)
    options = parser.parse_args()
    for data_set in (emoji.from_release(options.source), watch.from_release(options.source)):
        path = options.output / f"{data_set.name}.npz"
        save_bundle(path, data_set)
        print(f"{path.name}: {len(data_set)} samples, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
