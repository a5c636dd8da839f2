"""Choose every method's settings on the tuning seeds, and write `tuned.yml`.

`python -m flatminima.studies.open_2` does it; what is in the store is not run again.
"""

import sys
from pathlib import Path

import yaml

from flatminima.studies.open_2 import runs

HEAD = """\
# The best of twelve settings of each method on each instance, for each target, by
# python -m flatminima.studies.open_2 on seeds 0, 1 and 2. The race has other seeds.
"""


def main() -> int:
    """The command line; see the module."""
    entries = []
    for instance in runs.SIZES:
        for method in runs.METHODS:
            chosen = runs.tune(instance, method)
            print(instance, method, chosen, flush=True)
            entries += [
                {"instance": instance, "method": method, "target": target}
                | {"setting": dict(setting)}  # its own, or YAML would refer to another
                for target, setting in chosen.items()
            ]
    text = yaml.safe_dump(entries, sort_keys=False, default_flow_style=None)
    Path(__file__).with_name("tuned.yml").write_text(HEAD + text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
