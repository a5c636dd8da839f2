"""A Dask cluster on this machine, to try one out or to use several terminals.

Start it, and give its address to whatever sweeps:

    python clusters/local.py --workers 4
    export FLATMINIMA_SCHEDULER=tcp://127.0.0.1:8786   # in another terminal
    make book

The workers use the environment of the `python` that starts them: take that of the
sweep, or the sweep refuses them.
"""

import argparse
import signal
import threading

from distributed import LocalCluster

from flatminima.checks import count


def main() -> None:
    """Start the workers, print the address and stay until Ctrl-C."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=count, help="by default one for each core")
    parser.add_argument("--port", type=int, default=8786, help="0 for any free one")
    options = parser.parse_args()
    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    with LocalCluster(
        n_workers=options.workers,
        threads_per_worker=1,
        scheduler_port=options.port,
        dashboard_address=None,
    ) as cluster:
        print(f"export FLATMINIMA_SCHEDULER={cluster.scheduler_address}", flush=True)
        stopped.wait()
    print("Stopped.")


if __name__ == "__main__":
    main()
