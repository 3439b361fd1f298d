import type { EndpointSlice, Pod, Service } from '../../src/model/objects.ts';

/** Where every server of the benchmark answers, and the resolver outside. */
export const SERVER = '10.96.0.10';
export const UPSTREAM = '10.96.0.53';

const address = (prefix: number, index: number): string =>
  `10.${prefix + (index >> 16)}.${(index >> 8) & 0xff}.${index & 0xff}`;

export const clusterIpOf = (index: number): string => address(100, index);
export const serviceName = (index: number): string => `service-${index}.default.svc.cluster.local`;
/** The one headless kind: every hundredth Service. */
export const isHeadless = (index: number): boolean => index % 100 === 0;

export function serviceOf(index: number): Service {
  const clusterIP = isHeadless(index) ? 'None' : clusterIpOf(index);
  return {
    metadata: { namespace: 'default', name: `service-${index}` },
    spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
  };
}

/** Two pods of each Service; a generation moves the first one to another address. */
export function sliceOf(index: number, pods: number, generation: number): EndpointSlice {
  const podAt = (place: number): string => address(244, (index * 2 + place) % Math.max(1, pods));
  const first = generation === 0 ? podAt(0) : `10.248.${generation >> 8}.${generation & 0xff}`;
  const name = `service-${index}`;
  return {
    metadata: { namespace: 'default', name: `${name}-x`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: [first, podAt(1)].map((each) => ({ addresses: [each], conditions: { ready: true } })),
  };
}

export function podOf(index: number): Pod {
  return {
    metadata: { namespace: 'default', name: `pod-${index}`, uid: `00000000-0000-0000-0000-${index}` },
    spec: {
      nodeName: `node-${1 + (index % 10)}`,
      containers: [{ name: 'c', image: 'registry.k8s.io/pause' }],
    },
    status: { phase: 'Running', podIP: address(244, index), podIPs: [{ ip: address(244, index) }] },
  };
}
