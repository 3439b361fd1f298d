import type { EndpointSlice, Service } from '../../../src/model/objects.ts';
import type { DnsObjects } from '../../support/dns-cluster.ts';

/** Where the scene's DNS answers, one address of each family. */
export const serverAddresses = ['10.96.0.10', 'fd00:96::a'] as const;
/** A resolver outside; it knows `outside.example`. */
export const upstreamAddress = '10.96.0.53';

type ServiceSpec = NonNullable<Service['spec']>;

const service = (key: string, spec: ServiceSpec): Service => {
  const [namespace = '', name = ''] = key.split('/');
  return { metadata: { namespace, name }, spec };
};

function slice(
  key: string,
  number: number,
  rest: Partial<EndpointSlice> & Pick<EndpointSlice, 'endpoints'>,
): EndpointSlice {
  const [namespace = '', name = ''] = key.split('/');
  return {
    metadata: {
      namespace,
      name: `${name}-${number}`,
      labels: { 'kubernetes.io/service-name': name },
    },
    addressType: 'IPv4',
    ...rest,
  };
}

const http = { name: 'http', port: 80, protocol: 'TCP' } as const;
const ready = { conditions: { ready: true } } as const;
const notReady = { conditions: { ready: false } } as const;

/** A Service of every kind that the specification knows, in every family. */
export const scene: DnsObjects = {
  namespaces: ['default', 'database', 'empty'],
  services: [
    service('default/web', {
      clusterIP: '10.96.0.20',
      clusterIPs: ['10.96.0.20', 'fd00:96::20'],
      ipFamilies: ['IPv4', 'IPv6'],
      ports: [http, { name: 'dns', port: 53, protocol: 'UDP' }, { port: 9000 }],
    }),
    service('default/only-four', { clusterIP: '10.96.0.21', clusterIPs: ['10.96.0.21'], ports: [http] }),
    service('default/only-six', {
      clusterIP: 'fd00:96::22',
      clusterIPs: ['fd00:96::22'],
      ipFamilies: ['IPv6'],
      ports: [http],
    }),
    service('default/idle', { clusterIP: '10.96.0.23', clusterIPs: ['10.96.0.23'], ports: [http] }),
    service('database/postgres', {
      clusterIP: 'None',
      clusterIPs: ['None'],
      ports: [{ name: 'pg', port: 5432 }],
    }),
    service('database/nameless', { clusterIP: 'None', clusterIPs: ['None'], ports: [{ port: 5432 }] }),
    service('database/booting', {
      clusterIP: 'None',
      clusterIPs: ['None'],
      publishNotReadyAddresses: true,
      ports: [{ name: 'pg', port: 5432 }],
    }),
    service('database/down', {
      clusterIP: 'None',
      clusterIPs: ['None'],
      ports: [{ name: 'pg', port: 5432 }],
    }),
    service('default/outside', { type: 'ExternalName', externalName: 'db.outside.example' }),
  ],
  endpointSlices: [
    slice('default/web', 1, {
      ports: [{ ...http, port: 8080 }],
      endpoints: [
        { addresses: ['10.244.1.3'], ...ready },
        { addresses: ['10.244.2.4'], ...notReady },
      ],
    }),
    slice('database/postgres', 1, {
      ports: [{ name: 'pg', port: 15_432, protocol: 'TCP' }],
      endpoints: [
        { addresses: ['10.244.1.7'], hostname: 'postgres-0', ...ready },
        { addresses: ['10.244.2.7'], hostname: 'postgres-1' },
        { addresses: ['10.244.2.8'], ...ready },
        { addresses: ['10.244.2.9'], hostname: 'postgres-3', ...notReady },
      ],
    }),
    slice('database/postgres', 6, {
      addressType: 'IPv6',
      ports: [{ name: 'pg', port: 15_432, protocol: 'TCP' }],
      endpoints: [{ addresses: ['fd00:244::7'], hostname: 'postgres-0', ...ready }],
    }),
    slice('database/nameless', 1, {
      ports: [{ name: '', port: 5432, protocol: 'TCP' }],
      endpoints: [{ addresses: ['10.244.4.4'], ...ready }],
    }),
    slice('database/booting', 1, {
      ports: [{ name: 'pg', port: 5432, protocol: 'TCP' }],
      endpoints: [{ addresses: ['10.244.3.3'], hostname: 'booting-0', ...notReady }],
    }),
    slice('database/down', 1, {
      ports: [{ name: 'pg', port: 5432, protocol: 'TCP' }],
      endpoints: [{ addresses: ['10.244.3.4'], hostname: 'down-0', ...notReady }],
    }),
  ],
  pods: [
    {
      metadata: { namespace: 'default', name: 'shell' },
      spec: { containers: [{ name: 'c', image: 'busybox' }] },
      status: {
        phase: 'Running',
        podIP: '10.244.1.3',
        podIPs: [{ ip: '10.244.1.3' }, { ip: 'fd00:244::3' }],
      },
    },
  ],
};
