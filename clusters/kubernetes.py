"""Dask workers as pods of Kubernetes, where the operator of Dask is installed.

The image holds the same checkout, Python and locked libraries as the machine that
sweeps, torch from the same index included. Its Dockerfile needs no more than

    FROM python:3.11
    COPY . /flatminima
    RUN pip install -c /flatminima/requirements.lock -e "/flatminima[cluster]"

See the manifest first, then start the pods, and give the address to whatever sweeps:

    python clusters/kubernetes.py --image me/flatminima --workers 16 --dry-run
    python clusters/kubernetes.py --image me/flatminima --workers 16
    export FLATMINIMA_SCHEDULER=tcp://localhost:8786   # the one it prints
    make book
"""

import argparse
import threading

import yaml
from dask_kubernetes.operator import KubeCluster, make_cluster_spec

from flatminima.checks import count


def main() -> None:
    """Start the pods, print the address and stay until Ctrl-C, which ends them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--image", required=True, help="as described in this file")
    parser.add_argument("--name", default="flatminima", help="of the cluster")
    parser.add_argument("--namespace", help="by default that of your context")
    parser.add_argument("--workers", type=count, default=4, help="pods, one core each")
    parser.add_argument("--memory", default="2Gi", help="of a pod")
    parser.add_argument("--dry-run", action="store_true", help="only print a manifest")
    options = parser.parse_args()
    size = {"cpu": "1", "memory": options.memory}
    manifest = make_cluster_spec(
        options.name,
        image=options.image,
        n_workers=options.workers,
        resources={"requests": size, "limits": size},
        env={},
        worker_command="dask worker --nthreads 1",
    )
    (scheduler,) = manifest["spec"]["scheduler"]["spec"]["containers"]
    # the template's `dask-scheduler` is not installed by present versions of Dask
    scheduler["args"] = ["dask", "scheduler", "--host", "0.0.0.0"]
    if options.dry_run:
        print(yaml.safe_dump(manifest, sort_keys=False))
        return
    with KubeCluster(
        namespace=options.namespace, custom_cluster_spec=manifest
    ) as cluster:
        print(f"export FLATMINIMA_SCHEDULER={cluster.scheduler_address}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("Stopped.")


if __name__ == "__main__":
    main()
