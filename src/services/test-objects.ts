import type { EndpointSlice, Service } from '../model/objects.ts';

/** Short ways to write the objects of tests. */
export interface TestPort {
  readonly name?: string;
  readonly port: number;
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
}

export function testService(
  name: string,
  clusterIP: string | readonly string[],
  ports: readonly TestPort[],
  spec: Service['spec'] = {},
): Service {
  const clusterIPs = typeof clusterIP === 'string' ? [clusterIP] : [...clusterIP];
  const [first] = clusterIPs;
  return {
    metadata: { namespace: 'default', name },
    spec: { ...(first === undefined ? {} : { clusterIP: first, clusterIPs }), ports: [...ports], ...spec },
  };
}

export interface TestEndpoint {
  readonly address: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly nodeName?: string;
  readonly pod?: string;
}

export function testSlice(
  service: string,
  suffix: string,
  ports: readonly TestPort[],
  endpoints: readonly TestEndpoint[],
): EndpointSlice {
  return {
    metadata: {
      namespace: 'default',
      name: `${service}-${suffix}`,
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType: endpoints[0]?.address.includes(':') === true ? 'IPv6' : 'IPv4',
    ports: [...ports],
    endpoints: endpoints.map(({ address, nodeName, pod, ...conditions }) => ({
      addresses: [address],
      conditions,
      ...(nodeName === undefined ? {} : { nodeName }),
      ...(pod === undefined ? {} : { targetRef: { kind: 'Pod', namespace: 'default', name: pod } }),
    })),
  };
}
