import type { EndpointSlice, Service } from '../../model/objects.ts';
import { compilePod, compileService } from './compile.ts';
import { createZone, type Zone } from './zone.ts';

/** Objects of every kind the zone knows, for tests: one Service of each sort, and the zone made of them. */
export const fixtureOptions = { clusterDomain: 'cluster.local', addresses: ['10.96.0.10'] } as const;

export const fixtureServices: readonly { service: Service; slices: readonly EndpointSlice[] }[] = [
  {
    service: {
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        clusterIP: '10.96.0.20',
        clusterIPs: ['10.96.0.20', 'fd00:96::20'],
        ports: [{ name: 'http', port: 80 }, { name: 'dns', port: 53, protocol: 'UDP' }, { port: 9000 }],
      },
    },
    slices: [
      slice('default', 'web-1', {
        endpoints: [
          { addresses: ['10.244.1.3'], conditions: { ready: true } },
          { addresses: ['10.244.2.4'], conditions: { ready: false } },
        ],
      }),
    ],
  },
  {
    service: {
      metadata: { name: 'postgres', namespace: 'database' },
      spec: { clusterIP: 'None', clusterIPs: ['None'], ports: [{ name: 'pg', port: 5432 }] },
    },
    slices: [
      slice('database', 'postgres-1', {
        ports: [{ name: 'pg', port: 15_432, protocol: 'TCP' }],
        endpoints: [
          { addresses: ['10.244.1.7'], hostname: 'postgres-0', conditions: { ready: true } },
          { addresses: ['10.244.2.7'], hostname: 'postgres-1' },
          { addresses: ['10.244.2.8'] },
          { addresses: ['10.244.2.9'], hostname: 'postgres-3', conditions: { ready: false } },
        ],
      }),
      slice('database', 'postgres-6', {
        addressType: 'IPv6',
        ports: [{ name: 'pg', port: 15_432, protocol: 'TCP' }],
        endpoints: [{ addresses: ['fd00:244::7'], hostname: 'postgres-0', conditions: { ready: true } }],
      }),
    ],
  },
  {
    service: {
      metadata: { name: 'booting', namespace: 'default' },
      spec: { clusterIP: 'None', ports: [], publishNotReadyAddresses: true },
    },
    slices: [
      slice('default', 'booting-1', {
        endpoints: [{ addresses: ['10.244.3.3'], hostname: 'booting-0', conditions: { ready: false } }],
      }),
    ],
  },
  {
    service: { metadata: { name: 'down', namespace: 'default' }, spec: { clusterIP: 'None' } },
    slices: [
      slice('default', 'down-1', {
        endpoints: [{ addresses: ['10.244.3.4'], conditions: { ready: false } }],
      }),
    ],
  },
  {
    service: {
      metadata: { name: 'external-db', namespace: 'default' },
      spec: { type: 'ExternalName', externalName: 'db.example.com' },
    },
    slices: [],
  },
  {
    service: {
      metadata: { name: 'alias', namespace: 'default' },
      spec: { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' },
    },
    slices: [],
  },
  {
    service: {
      metadata: { name: 'lost-alias', namespace: 'default' },
      spec: { type: 'ExternalName', externalName: 'nobody.default.svc.cluster.local' },
    },
    slices: [],
  },
  {
    service: {
      metadata: { name: 'loop', namespace: 'default' },
      spec: { type: 'ExternalName', externalName: 'loop.default.svc.cluster.local' },
    },
    slices: [],
  },
];

export function fixtureZone({ pods = false }: { pods?: boolean } = {}): Zone {
  const zone = createZone(fixtureOptions, 1000);
  for (const { service, slices } of fixtureServices) {
    const { namespace, name } = service.metadata ?? {};
    zone.set(`Service ${namespace}/${name}`, compileService(service, slices, fixtureOptions));
  }
  for (const namespace of ['default', 'database', 'quiet']) {
    zone.set(`Namespace ${namespace}`, { records: [] }, [
      `${namespace}.svc.cluster.local`,
      `${namespace}.pod.cluster.local`,
    ]);
  }
  if (pods) {
    const pod = { metadata: { name: 'p', namespace: 'default' }, status: { podIP: '10.244.1.3' } };
    zone.set('Pod default/p', compilePod(pod, fixtureOptions));
  }
  return zone;
}

function slice(
  namespace: string,
  name: string,
  rest: Partial<EndpointSlice> & Pick<EndpointSlice, 'endpoints'>,
): EndpointSlice {
  return { metadata: { name, namespace }, addressType: 'IPv4', ...rest };
}
