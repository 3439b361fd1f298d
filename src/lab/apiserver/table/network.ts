import type { Service, Endpoints, LoadBalancerStatus } from 'kubernetes-types/core/v1.d.ts';
import type { EndpointSlice } from 'kubernetes-types/discovery/v1.d.ts';
import type { Ingress, IngressClass, NetworkPolicy } from 'kubernetes-types/networking/v1.d.ts';
import {
  age,
  column,
  formatLabels,
  formatSelector,
  formatSome,
  NONE,
  type Printer,
  UNKNOWN,
  wideColumn,
} from './printer.ts';

const SHOWN_ENDPOINTS = 3;
const UNSET = '<unset>';

export const servicePrinter: Printer<Service> = {
  columns: [
    column('Type'),
    column('Cluster-IP'),
    column('External-IP'),
    column('Port(s)'),
    column('Age'),
    wideColumn('Selector'),
  ],
  cells: (service, now) => [
    service.spec?.type ?? 'ClusterIP',
    service.spec?.clusterIPs?.[0] || service.spec?.clusterIP || NONE,
    externalAddress(service),
    servicePorts(service),
    age(service.metadata?.creationTimestamp, now),
    formatLabels(service.spec?.selector),
  ],
};

function externalAddress({ spec, status }: Service): string {
  const external = spec?.externalIPs ?? [];
  switch (spec?.type ?? 'ClusterIP') {
    case 'ClusterIP':
    case 'NodePort':
      return external.join(',') || NONE;
    case 'LoadBalancer':
      return [...ingressAddresses(status?.loadBalancer), ...external].join(',') || '<pending>';
    case 'ExternalName':
      return spec?.externalName || NONE;
    default:
      return UNKNOWN;
  }
}

function ingressAddresses(
  status: { readonly ingress?: LoadBalancerStatus['ingress'] | null } | undefined,
): string[] {
  const addresses = (status?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '');
  return [...new Set(addresses.filter(Boolean))].toSorted();
}

/** `80/TCP,443:30443/TCP` */
function servicePorts({ spec }: Service): string {
  const ports = (spec?.ports ?? []).map(
    ({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol ?? 'TCP'}`,
  );
  return ports.join(',') || NONE;
}

export const endpointsPrinter: Printer<Endpoints> = {
  columns: [column('Endpoints'), column('Age')],
  cells: ({ metadata, subsets }, now) => {
    const all = (subsets ?? []).flatMap(({ addresses, ports }) =>
      (ports ?? []).length === 0
        ? (addresses ?? []).map(({ ip }) => ip)
        : (ports ?? []).flatMap(({ port }) => (addresses ?? []).map(({ ip }) => hostPort(ip, port))),
    );
    return [formatSome(all, SHOWN_ENDPOINTS) || NONE, age(metadata?.creationTimestamp, now)];
  },
};

function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export const endpointSlicePrinter: Printer<EndpointSlice> = {
  columns: [column('AddressType'), column('Ports'), column('Endpoints'), column('Age')],
  cells: ({ metadata, addressType, ports, endpoints }, now) => {
    const numbers = (ports ?? []).map(({ port, name }) =>
      port === undefined ? (name ?? '*') : String(port),
    );
    const addresses = (endpoints ?? []).flatMap((endpoint) => endpoint.addresses);
    return [
      addressType,
      formatSome(numbers, SHOWN_ENDPOINTS) || UNSET,
      formatSome(addresses, SHOWN_ENDPOINTS) || UNSET,
      age(metadata?.creationTimestamp, now),
    ];
  },
};

export const ingressPrinter: Printer<Ingress> = {
  columns: [column('Class'), column('Hosts'), column('Address'), column('Ports'), column('Age')],
  cells: ({ metadata, spec, status }, now) => {
    const hosts = (spec?.rules ?? []).map(({ host }) => host ?? '').filter(Boolean);
    return [
      spec?.ingressClassName ?? metadata?.annotations?.['kubernetes.io/ingress.class'] ?? NONE,
      formatSome(hosts, SHOWN_ENDPOINTS) || '*',
      ingressAddresses(status?.loadBalancer).join(','),
      (spec?.tls ?? []).length > 0 ? '80, 443' : '80',
      age(metadata?.creationTimestamp, now),
    ];
  },
};

export const ingressClassPrinter: Printer<IngressClass> = {
  columns: [column('Controller'), column('Parameters'), column('Age')],
  cells: ({ metadata, spec }, now) => {
    const parameters = spec?.parameters;
    const group = parameters?.apiGroup ? `.${parameters.apiGroup}` : '';
    return [
      spec?.controller ?? '',
      parameters ? `${parameters.kind}${group}/${parameters.name}` : NONE,
      age(metadata?.creationTimestamp, now),
    ];
  },
};

export const networkPolicyPrinter: Printer<NetworkPolicy> = {
  columns: [column('Pod-Selector'), column('Age')],
  cells: ({ metadata, spec }, now) => [
    formatSelector(spec?.podSelector),
    age(metadata?.creationTimestamp, now),
  ],
};
