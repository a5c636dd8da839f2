"""Dask workers as jobs of SLURM, from a login node.

See the job first, then start jobs, and give the address to whatever sweeps:

    python clusters/slurm.py --jobs 8 --cores 16 --memory 32GB --dry-run
    python clusters/slurm.py --jobs 8 --cores 16 --memory 32GB
    export FLATMINIMA_SCHEDULER=tcp://10.0.0.1:8786   # the one it prints
    make book

The jobs run the `python` that starts this script, so keep the checkout and its
environment on a file system that the nodes share. A job that reaches its time limit
loses at most the few seconds since its runs last came back.
"""

import argparse
import threading

from dask_jobqueue import SLURMCluster

from flatminima.checks import count


def main() -> None:
    """Submit the jobs, print the address and stay until Ctrl-C, which ends them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=count, default=1, help="how many to submit")
    parser.add_argument("--cores", type=count, default=8, help="of a job")
    parser.add_argument("--memory", default="16GB", help="of a job")
    parser.add_argument("--walltime", default="01:00:00", help="of a job")
    parser.add_argument("--queue", help="partition; by default that of the site")
    parser.add_argument("--account", help="by default yours")
    parser.add_argument("--interface", help="network that nodes share, such as ib0")
    parser.add_argument("--dry-run", action="store_true", help="only print a job")
    options = parser.parse_args()
    with SLURMCluster(
        cores=options.cores,
        processes=options.cores,  # one run a process, one thread a run
        memory=options.memory,
        walltime=options.walltime,
        queue=options.queue,
        account=options.account,
        interface=options.interface,
        job_name="flatminima",
        scheduler_options={"dashboard_address": None},
    ) as cluster:
        if options.dry_run:
            print(cluster.job_script())
            return
        cluster.scale(jobs=options.jobs)
        print(f"export FLATMINIMA_SCHEDULER={cluster.scheduler_address}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("Stopped.")


if __name__ == "__main__":
    main()
