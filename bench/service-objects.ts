/** The Services of benchmarks: each with five endpoints on three nodes. */
import type { EndpointSlice, Service } from '../src/model/objects.ts';

export const ENDPOINTS = 5;

/** Of up to 65,536 Services. */
export const benchAddress = (index: number): string => `10.96.${index >> 8}.${index & 255}`;
export const benchTarget = (index: number, endpoint: number): string =>
  `${index < 32_768 ? 10 : 11}.${128 + ((index >> 8) & 127)}.${index & 255}.${endpoint + 1}`;

export function benchService(index: number): Service {
  return {
    metadata: { namespace: 'bench', name: `service-${index}` },
    spec: { clusterIP: benchAddress(index), ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
  };
}

/** `moved` changes the last endpoint's address, `count` how many there are. */
export function benchSlice(index: number, { count = ENDPOINTS, moved = false } = {}): EndpointSlice {
  return {
    metadata: {
      namespace: 'bench',
      name: `service-${index}-x`,
      labels: { 'kubernetes.io/service-name': `service-${index}` },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: count }, (_, endpoint) => ({
      addresses: [benchTarget(index, moved && endpoint === count - 1 ? 200 : endpoint)],
      nodeName: `node-${endpoint % 3}`,
    })),
  };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
