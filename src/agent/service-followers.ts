import type { Client } from '../cluster/client.ts';
import { createEventRecorder } from '../cluster/events.ts';
import { endpointSlices, services } from '../cluster/resources.ts';
import { type Conntrack, openConntrack } from '../kernel/conntrack/conntrack.ts';
import type { Informer } from '../cluster/informer.ts';
import type { Node } from '../model/objects.ts';
import type { Netns } from '../kernel/netns.ts';
import { errorMessage } from '../model/errors.ts';
import { createConntrackCleaner } from '../services/conntrack-cleaner.ts';
import { createHealthCheckServer } from '../services/health-check-server.ts';
import type { Ignored } from '../services/plan.ts';
import type { PlanFollower } from '../services/plan-follower.ts';
import { createProxyHealth } from '../services/proxy-health.ts';
import { createRefusalEvents } from '../services/refusal-events.ts';

export interface ServiceFollowersOptions {
  readonly client: Client;
  readonly nodeName: string;
  readonly netns: Netns;
  /** Of this node's object. */
  readonly node: Pick<Informer<Node>, 'onChange'>;
  /** Where the proxy says that it works; nowhere when absent. */
  readonly proxyHealthPort?: number;
  readonly log: (level: 'info' | 'warning' | 'error', message: string) => void;
}

/** What goes on beside a node's Service proxy: stale UDP flows, health check node ports, Events about refusals. */
export function createServiceFollowers({
  client,
  nodeName,
  netns,
  node,
  proxyHealthPort,
  log,
}: ServiceFollowersOptions): {
  readonly followers: readonly PlanFollower[];
  readonly close: () => void;
} {
  const recorder = createEventRecorder(client, {
    component: 'podnet-services',
    host: nodeName,
    onError: (error) => log('warning', `services: event: ${errorMessage(error)}`),
  });
  const recordOn = async (
    { kind, key }: Ignored['object'],
    text: Parameters<typeof recorder.record>[1],
  ): Promise<void> => {
    const [namespace = '', name = ''] = key.split('/');
    try {
      // The node keeps no uids, by which `kubectl describe` finds an object's Events.
      const object = await (kind === 'Service'
        ? client.get(services, { namespace, name })
        : client.get(endpointSlices, { namespace, name }));
      recorder.record(object, text);
    } catch (error) {
      log('warning', `services: ${kind} ${key}: ${text.message} (no Event: ${errorMessage(error)})`);
    }
  };
  let conntrack: Conntrack | undefined;
  try {
    conntrack = openConntrack({ netns });
    conntrack.count();
  } catch (error) {
    conntrack?.close();
    conntrack = undefined;
    log('warning', `services: UDP flows to endpoints that are gone stay: ${errorMessage(error)}`);
  }
  const health = proxyHealthPort === undefined ? [] : [proxyHealth(proxyHealthPort, { netns, node, log })];
  return {
    followers: [
      ...health,
      ...(conntrack === undefined ? [] : [createConntrackCleaner({ conntrack, log })]),
      createHealthCheckServer({
        netns,
        onRefused: ({ service, port, reason }) =>
          void recordOn(
            { kind: 'Service', key: service },
            {
              type: 'Warning',
              reason: 'FailedToStartServiceHealthcheck',
              message: `spec.healthCheckNodePort ${port}: node ${nodeName} cannot listen: ${reason}`,
            },
          ),
      }),
      createRefusalEvents({ nodeName, record: (object, text) => void recordOn(object, text) }),
    ],
    close: () => conntrack?.close(),
  };
}

/** Nodes that are being deleted, or that the autoscaler has marked for it, are to get no more traffic. */
function proxyHealth(
  port: number,
  { netns, node, log }: Pick<ServiceFollowersOptions, 'netns' | 'node' | 'log'>,
): PlanFollower {
  let isEligible = true;
  node.onChange(({ type, object: { metadata, spec } }) => {
    const isMarked = spec?.taints?.some(({ key }) => key === 'ToBeDeletedByClusterAutoscaler') === true;
    isEligible = type !== 'deleted' && metadata?.deletionTimestamp === undefined && !isMarked;
  });
  const health = createProxyHealth({ netns, isEligible: () => isEligible });
  health.listen({ port }).catch((error: unknown) => {
    log('warning', `services: proxy-health-port ${port}: ${errorMessage(error)}`);
  });
  return health;
}
