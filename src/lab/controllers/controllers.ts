import type { Client } from '../../cluster/client.ts';
import { systemClock, type Clock } from '../../cluster/clock.ts';
import { discoverResources, type DiscoveredResource } from '../../cluster/discovery.ts';
import { errorMessage } from '../../model/errors.ts';
import type { Controller, ControllerContext } from './controller.ts';
import { createDeploymentController } from './deployment.ts';
import { createEndpointSliceController } from './endpoint-slice.ts';
import { createEndpointsController } from './endpoints.ts';
import { createInformers } from './informers.ts';
import { createGarbageCollector } from './garbage-collector.ts';
import { createNamespaceDefaultsController } from './namespace-defaults.ts';
import { createNamespaceController } from './namespace.ts';
import { createNodeLifecycleController } from './node-lifecycle.ts';
import { createPodGarbageController } from './pod-garbage.ts';
import { createNodeCidrController } from './node-cidr.ts';
import { createReplicaSetController } from './replica-set.ts';

export interface ControllersOptions {
  readonly client: Client;
  /** Where node CIDRs come from: one, or one of each family. */
  readonly clusterCidrs: readonly string[];
  /** Of each of them a node's part; IPv4 has 24 and IPv6 64 unless told. */
  readonly nodeCidrPrefixLengths?: readonly number[];
  /** PEM, published in every namespace as the ConfigMap kube-root-ca.crt. */
  readonly ca?: string;
  /** A node that was silent for this long is taken for dead. */
  readonly nodeGraceMs?: number;
  readonly log?: (level: 'info' | 'warning' | 'error', message: string) => void;
  readonly clock?: Clock;
  /** The resources the server has; asked of the server itself unless told. */
  readonly discover?: () => Promise<readonly DiscoveredResource[]>;
}

/** All controllers, in no particular order: each one watches what it needs and none waits for another. */
export function createControllers({
  client,
  clusterCidrs,
  nodeCidrPrefixLengths,
  nodeGraceMs,
  ca,
  discover = () => discoverResources(client),
  log = () => {},
  clock = systemClock,
}: ControllersOptions): Controller {
  const informers = createInformers(client, {
    clock,
    onError: (error) => log('warning', `controllers: watch: ${errorMessage(error)}`),
  });
  const context: ControllerContext = {
    client,
    informers,
    clock,
    report: (message) => log('warning', message),
  };
  const controllers: Controller[] = [
    createDeploymentController(context),
    createReplicaSetController(context),
    createEndpointSliceController(context),
    createEndpointsController(context),
    createNodeCidrController(context, {
      clusterCidrs,
      ...(nodeCidrPrefixLengths && { prefixLengths: nodeCidrPrefixLengths }),
    }),
    createNodeLifecycleController(context, nodeGraceMs === undefined ? {} : { graceMs: nodeGraceMs }),
    createNamespaceDefaultsController(context, ca),
    createNamespaceController(context, discover),
    createGarbageCollector(context, { discover }),
    createPodGarbageController(context),
  ];
  return {
    name: 'controllers',
    async run(signal) {
      const all = Object.values(informers);
      const watching = all.map((informer) => informer.run(signal));
      try {
        await Promise.all(all.map(({ synced }) => synced));
      } catch {
        // aborted before the first lists were complete
      }
      if (!signal.aborted) await Promise.all(controllers.map((controller) => controller.run(signal)));
      await Promise.all(watching);
    },
  };
}
