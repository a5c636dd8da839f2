"""Downloads that are checked against a hash, with a progress bar."""

from pathlib import Path

import pooch
import requests

from flatminima.data.images.faults import DataFault

DATA_VARIABLE = "FLATMINIMA_DATA"


def fetch(place: pooch.Pooch, name: str) -> Path:
    """A file of a registry, from the folder or else from the network.

    Args:
        place: folder, address and hashes.
        name: of the file.

    Raises:
        DataFault: if the network does not answer, or sends another file.
    """
    path = Path(place.abspath) / name
    try:
        return Path(place.fetch(name, progressbar=True))
    except requests.exceptions.RequestException as error:
        raise DataFault(
            path,
            f"it is not here, and {place.get_url(name)} cannot be reached "
            f"({type(error).__name__}); put it into a folder and set "
            f"{DATA_VARIABLE} to that, or use the subset that travels with the package",
        ) from error
    except ValueError as error:
        raise DataFault(
            path,
            f"{place.get_url(name)} sends another file than was published "
            f"({place.registry[name]} is expected); nothing of it was kept",
        ) from error
    except OSError as error:
        raise DataFault(path, f"it cannot be written: {error.strerror}") from error
