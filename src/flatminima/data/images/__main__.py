"""Fetch a data set of images: `python -m flatminima.data.images fashion_mnist`."""

import argparse
import sys

from flatminima.data.images.faults import DataFault
from flatminima.data.images.load import SETS, images


def main() -> int:
    """Fetch data sets that are not here yet; the exit status says whether all are."""
    parser = argparse.ArgumentParser(
        prog="python -m flatminima.data.images", description=__doc__
    )
    parser.add_argument("names", nargs="+", choices=SETS, metavar="name")
    for name in parser.parse_args().names:
        try:
            found = images(name, download=True)
        except DataFault as fault:
            print(fault)
            return 1
        print(f"{name}: {len(found.train_x)} + {len(found.test_x)} images")
    return 0


if __name__ == "__main__":
    sys.exit(main())
