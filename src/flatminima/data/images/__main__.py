"""Fetch a data set of images: `python -m flatminima.data.images fashion_mnist`."""

import sys

from flatminima.data.images.faults import DataFault
from flatminima.data.images.load import SETS, images


def main(names: list[str]) -> int:
    """Fetch data sets that are not here yet; the exit status says whether all are."""
    if not names or set(names) - set(SETS):
        print(f"names = {names}: each must be one of {', '.join(SETS)}")
        return 2
    for name in names:
        try:
            found = images(name, download=True)
        except DataFault as fault:
            print(fault)
            return 1
        print(f"{name}: {len(found.train_x)} + {len(found.test_x)} images")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
