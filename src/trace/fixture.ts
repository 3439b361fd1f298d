import type { Deployment, EndpointSlice, Node, Pod, Service } from '../model/objects.ts';
import { createTraceView, type TraceObjects, type TraceView } from './view.ts';

/** A small cluster for tests: two nodes, a client, a Service with a pod on each node, and one of every odd case. */
export function fixtureObjects(): TraceObjects {
  return {
    pods: [
      pod('client', { address: '10.244.1.5', node: 'node-1' }),
      pod('web-1', { address: '10.244.1.6', node: 'node-1', labels: { app: 'web' } }),
      pod('web-2', { address: '10.244.2.6', node: 'node-2', labels: { app: 'web' } }),
      pod('web-3', { address: '10.244.2.7', node: 'node-2', labels: { app: 'web' }, ready: false }),
      { metadata: { namespace: 'default', name: 'pending' }, status: { phase: 'Pending' } },
      pod('agent', { address: '172.18.0.2', node: 'node-1', hostNetwork: true }),
      pod('web', { address: '10.244.2.9', node: 'node-2', namespace: 'other' }),
    ],
    services: [
      service('web', { clusterIP: '10.96.0.20', ports: [{ name: 'http', port: 80 }] }),
      service('two-ports', {
        clusterIP: '10.96.0.21',
        ports: [
          { name: 'a', port: 1 },
          { name: 'b', port: 2 },
        ],
      }),
      service('nobody', { clusterIP: '10.96.0.22', ports: [{ port: 80 }] }),
      service('db', { clusterIP: 'None', ports: [{ name: 'pg', port: 5432 }] }),
      service('external', { type: 'ExternalName', externalName: 'db.example.com' }),
      service('client', { clusterIP: '10.96.0.23', ports: [{ port: 80 }] }),
      service('self', { clusterIP: '10.96.0.24', ports: [{ port: 80 }] }),
    ],
    endpointSlices: [
      slice('web', [
        { pod: 'web-1', address: '10.244.1.6', node: 'node-1' },
        { pod: 'web-2', address: '10.244.2.6', node: 'node-2' },
        { pod: 'web-3', address: '10.244.2.7', node: 'node-2', ready: false },
      ]),
      slice('db', [{ pod: 'web-2', address: '10.244.2.6', node: 'node-2' }], { name: 'pg', port: 5432 }),
      slice('self', [{ pod: 'client', address: '10.244.1.5', node: 'node-1' }], { port: 8080 }),
    ],
    nodes: [node('node-1', 1), node('node-2', 2)],
    namespaces: [{ metadata: { name: 'default' } }, { metadata: { name: 'other' } }],
    deployments: [deployment('web'), deployment('empty')],
    clusterDomain: 'cluster.local',
    clusterDns: ['10.96.0.10'],
    clusterCidrs: ['10.244.0.0/16'],
    hostInterface: ({ metadata }) => `pod-${metadata?.name}`,
  };
}

export function fixtureView(): TraceView {
  return createTraceView(fixtureObjects());
}

function pod(
  name: string,
  options: {
    address: string;
    node: string;
    namespace?: string;
    labels?: Record<string, string>;
    ready?: boolean;
    hostNetwork?: boolean;
  },
): Pod {
  const {
    address,
    node: nodeName,
    namespace = 'default',
    labels = {},
    ready = true,
    hostNetwork = false,
  } = options;
  return {
    metadata: { namespace, name, labels },
    spec: {
      nodeName,
      hostNetwork,
      containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8080 }] }],
    },
    status: {
      phase: 'Running',
      podIP: address,
      podIPs: [{ ip: address }],
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  };
}

function service(name: string, spec: NonNullable<Service['spec']>): Service {
  return { metadata: { namespace: 'default', name }, spec };
}

function slice(
  name: string,
  endpoints: readonly { pod: string; address: string; node: string; ready?: boolean }[],
  port: { name?: string; port: number } = { name: 'http', port: 8080 },
): EndpointSlice {
  return {
    metadata: { namespace: 'default', name: `${name}-abc`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [port],
    endpoints: endpoints.map(({ pod: target, address, node: nodeName, ready = true }) => ({
      addresses: [address],
      nodeName,
      conditions: { ready },
      targetRef: { kind: 'Pod', namespace: 'default', name: target },
    })),
  };
}

function node(name: string, index: number): Node {
  return {
    metadata: { name },
    spec: { podCIDR: `10.244.${index}.0/24`, podCIDRs: [`10.244.${index}.0/24`] },
    status: { addresses: [{ type: 'InternalIP', address: `172.18.0.${index + 1}` }] },
  };
}

function deployment(name: string): Deployment {
  return {
    metadata: { namespace: 'default', name },
    spec: { selector: { matchLabels: { app: name } }, template: {} },
  };
}
