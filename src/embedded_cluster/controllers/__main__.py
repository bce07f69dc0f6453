"""``python -m embedded_cluster.controllers``: all controllers in one process."""

import argparse
import asyncio
import sys

from embedded_cluster.client import ApiClient, add_kubeconfig_argument, connect
from embedded_cluster.controllers.deployment import DeploymentController
from embedded_cluster.controllers.discovery import Kinds
from embedded_cluster.controllers.endpointslice import EndpointSliceController
from embedded_cluster.controllers.garbage import GarbageCollector
from embedded_cluster.controllers.mirror import Mirror
from embedded_cluster.controllers.namespace import NamespaceController
from embedded_cluster.controllers.replicaset import ReplicaSetController
from embedded_cluster.events import EventRecorder
from embedded_cluster.untilsigterm import run


async def control(client: ApiClient) -> None:
    """Run every controller until cancelled."""
    mirror, kinds = Mirror(client), Kinds(client)
    garbage = GarbageCollector(client, mirror, kinds)
    controllers = (
        DeploymentController(client, mirror, EventRecorder(client, "deployment-controller")),
        ReplicaSetController(client, mirror, EventRecorder(client, "replicaset-controller")),
        EndpointSliceController(client, mirror),
        NamespaceController(client, mirror, kinds),
    )
    async with client, asyncio.TaskGroup() as group:
        group.create_task(mirror.run())
        await mirror.synced()
        for controller in controllers:
            group.create_task(controller.queue.run())
        group.create_task(garbage.run())


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m embedded_cluster.controllers", description=__doc__)
    add_kubeconfig_argument(parser)
    options = parser.parse_args(arguments)
    try:
        client = connect(options.kubeconfig)
    except ValueError as error:
        parser.error(str(error))
    run(control(client))
    return 0


if __name__ == "__main__":
    sys.exit(main())
