import { type LinkMode, linkModes } from '../cni/pod-network.ts';
import { PodnetError } from '../model/errors.ts';
import {
  cidrAddress,
  cidrsOverlap,
  formatCidr,
  formatIp,
  parseCidr,
  tryParseCidr,
  type Cidr,
  type IpFamily,
} from '../model/ip.ts';
import { type BackendName, backendNames } from '../services/backends/switching.ts';
import { mtuBytes as uplinkMtu } from './links/addresses.ts';

/** Everything a lab can be told, complete and checked. Plain data: it crosses a process boundary as JSON. */
export interface LabOptions {
  /** Of the cluster; several run side by side under different names. */
  readonly name: string;
  readonly nodes: number;
  readonly linkMode: LinkMode;
  /** What carries Services out in the kernel. */
  readonly serviceBackend: BackendName;
  /** Of the pods' links; that of the nodes' uplinks unless told. */
  readonly mtuBytes?: number;
  /** Of pods and Services; the first is the one a Service has when it does not say. */
  readonly ipFamilies: readonly IpFamily[];
  /** Pods' addresses, one CIDR for each IP family; each node gets equal parts of `nodeCidrPrefixLengths`. */
  readonly clusterCidrs: readonly string[];
  readonly nodeCidrPrefixLengths: readonly number[];
  readonly serviceCidrs: readonly string[];
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  /** Resolvers for names outside the cluster. The lab has no way out, so there are none by default. */
  readonly upstreams: readonly string[];
}

/** What a user may leave out or write in a `--config` file. */
export interface LabSettings {
  readonly name?: string;
  readonly nodes?: number;
  readonly link?: string;
  readonly serviceBackend?: string;
  readonly mtu?: number;
  /** `ipv4`, `ipv6` or `dual`. */
  readonly ipFamily?: string;
  /** One CIDR, or an IPv4 and an IPv6 one with a comma between them; so is `serviceCidr`. */
  readonly cidr?: string;
  readonly nodeCidrMaskSize?: number;
  readonly serviceCidr?: string;
  readonly clusterDomain?: string;
}

/** The lab's own networks and those with a meaning of their own; pods and Services must keep clear of them. */
export const reservedCidrs = [
  '172.18.0.0/24',
  '203.0.113.0/24',
  '169.254.0.0/16',
  '127.0.0.0/8',
  'fd00:172:18::/64',
  '2001:db8:113::/64',
  'fe80::/10',
  'ff00::/8',
] as const;

const maxNodes = 100;

/** RFC 8200, section 5. */
const smallestMtu = 1280;

const ipFamilies: Readonly<Record<string, readonly IpFamily[]>> = { ipv4: [4], ipv6: [6], dual: [4, 6] };

const defaultCidrs: Readonly<Record<IpFamily, { cidr: string; serviceCidr: string }>> = {
  4: { cidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16' },
  6: { cidr: 'fd00:10:244::/56', serviceCidr: 'fd00:10:96::/112' },
};

/** Prefix lengths of a node's part, and of the cluster's Services. */
const limits: Readonly<
  Record<IpFamily, { node: readonly [number, number]; usual: number; services: readonly [number, number] }>
> = {
  4: { node: [16, 28], usual: 24, services: [8, 27] },
  6: { node: [64, 64], usual: 64, services: [64, 123] },
};

function refuse(where: string, message: string, fix: string): never {
  throw new PodnetError(message, { code: 'invalid-option', where, fix });
}

/** The CIDRs of a setting, one of each IP family. */
function readCidrs(where: 'cidr' | 'serviceCidr', text: string): Cidr[] {
  const cidrs = text.split(',').map((part) => {
    const parsed = tryParseCidr(part.trim());
    if (parsed === undefined) {
      refuse(where, `"${part}" is not a CIDR`, `Write it as in ${defaultCidrs[4][where]}.`);
    }
    const exact = formatCidr(parsed.network);
    if (exact !== part.trim())
      refuse(where, `"${part}" has bits set beyond its prefix`, `Write ${exact} instead.`);
    return parsed.network;
  });
  if (new Set(cidrs.map(({ family }) => family)).size !== cidrs.length)
    refuse(where, `"${text}" has two CIDRs of one IP family`, 'Give one IPv4 CIDR, one IPv6 CIDR, or both.');
  return cidrs;
}

/** The length of each node's part of the pods' CIDR: /24 and /64 as everywhere, or as much as there is. */
function nodeMask(wanted: number | undefined, cluster: Cidr, nodes: number): number {
  const bitsForNodes = Math.ceil(Math.log2(nodes));
  const {
    usual,
    node: [shortest, longest],
  } = limits[cluster.family];
  const chosen = cluster.family === 4 ? wanted : undefined;
  if (chosen !== undefined && !(Number.isInteger(chosen) && chosen >= shortest && chosen <= longest)) {
    refuse(
      'nodeCidrMaskSize',
      `${chosen} is not the length of a node's prefix`,
      `Choose from ${shortest} to ${longest}.`,
    );
  }
  const length = chosen ?? Math.max(usual, Math.min(longest, cluster.prefixLength + bitsForNodes));
  if (length - cluster.prefixLength < bitsForNodes) {
    const each = chosen === undefined ? `at least a /${longest}` : `a /${chosen}`;
    refuse(
      'cidr',
      `${formatCidr(cluster)} is too small for ${nodes} nodes: each needs ${each}`,
      `Use a prefix of /${length - bitsForNodes} or shorter, or fewer nodes.`,
    );
  }
  return length;
}

/** The CIDRs of pods and Services: of the families asked for, or of those that the given ones have. */
function clusterNetworks({ ipFamily, cidr, serviceCidr }: LabSettings): { pods: Cidr[]; services: Cidr[] } {
  const wanted = ipFamily === undefined ? undefined : ipFamilies[ipFamily];
  if (ipFamily !== undefined && wanted === undefined)
    refuse('ipFamily', `"${ipFamily}" is no choice of IP families`, 'Use ipv4, ipv6 or dual.');
  const given = {
    cidr: cidr === undefined ? undefined : readCidrs('cidr', cidr),
    serviceCidr: serviceCidr === undefined ? undefined : readCidrs('serviceCidr', serviceCidr),
  };
  const families = wanted ?? (given.cidr ?? given.serviceCidr)?.map(({ family }) => family) ?? [4];
  const names = (of: readonly IpFamily[]): string => of.map((family) => `IPv${family}`).join(' and ');
  const choose = (where: 'cidr' | 'serviceCidr'): Cidr[] => {
    const cidrs = given[where] ?? families.map((family) => parseCidr(defaultCidrs[family][where]));
    const have = cidrs.map(({ family }) => family);
    if (have.join() !== families.join()) {
      const fix = `Give CIDRs for ${names(families)} in this order, or leave ${where} out.`;
      refuse(where, `The cluster is to have ${names(families)}, and this is ${names(have)}`, fix);
    }
    return cidrs;
  };
  return { pods: choose('cidr'), services: choose('serviceCidr') };
}

/** @throws PodnetError when two of the networks overlap one another or what is reserved */
function checkOverlaps(pods: readonly Cidr[], services: readonly Cidr[]): void {
  const taken: [whose: string, range: Cidr][] = reservedCidrs.map((text) => [
    `the lab's own ${text}`,
    parseCidr(text),
  ]);
  const wanted = [
    ...pods.map((range) => ['cidr', range] as const),
    ...services.map((range) => ['serviceCidr', range] as const),
  ];
  for (const [where, range] of wanted) {
    for (const [whose, other] of taken) {
      if (cidrsOverlap(range, other))
        refuse(where, `${formatCidr(range)} overlaps ${whose}`, 'Choose another range.');
    }
    taken.push([`${where} ${formatCidr(range)}`, range]);
  }
}

/** The options for these settings, or one clear error naming the setting that is wrong. */
export function labOptions(settings: LabSettings): LabOptions {
  const name = settings.name ?? 'podnet';
  if (!/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(name)) {
    refuse('name', `"${name}" cannot name a cluster`, 'Use up to 40 lowercase letters, digits and dashes.');
  }
  const nodes = settings.nodes ?? 3;
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > maxNodes) {
    refuse('nodes', `${nodes} is not a number of nodes`, `Choose a whole number from 1 to ${maxNodes}.`);
  }
  const linkMode = linkModes.find((mode) => mode === (settings.link ?? 'routed'));
  if (linkMode === undefined) {
    refuse('link', `"${settings.link}" is not a kind of link`, 'Use --link routed or --link bridge.');
  }
  const serviceBackend = backendNames.find((each) => each === (settings.serviceBackend ?? 'nftables'));
  if (serviceBackend === undefined) {
    const problem = `"${settings.serviceBackend}" is no backend for Services`;
    refuse('serviceBackend', problem, `Use one of: ${backendNames.join(', ')}.`);
  }
  const { mtu } = settings;
  if (mtu !== undefined && !(Number.isInteger(mtu) && mtu >= smallestMtu && mtu <= uplinkMtu)) {
    refuse(
      'mtu',
      `${mtu} is no MTU for pods`,
      `Choose from ${smallestMtu}, the least IPv6 can do with, to ${uplinkMtu}, the nodes' own.`,
    );
  }

  const { pods, services } = clusterNetworks(settings);
  const nodeCidrPrefixLengths = pods.map((cidr) => nodeMask(settings.nodeCidrMaskSize, cidr, nodes));
  for (const range of services) {
    const [shortest, longest] = limits[range.family].services;
    if (range.prefixLength <= longest && range.prefixLength >= shortest) continue;
    refuse(
      'serviceCidr',
      `${formatCidr(range)} cannot hold a cluster's Services`,
      `Use a prefix from /${shortest} to /${longest}.`,
    );
  }
  checkOverlaps(pods, services);
  const clusterDomain = settings.clusterDomain ?? 'cluster.local';
  if (
    clusterDomain.length > 200 ||
    !/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(clusterDomain)
  ) {
    refuse('clusterDomain', `"${clusterDomain}" is not a DNS domain`, 'Write it as in cluster.local.');
  }
  return {
    name,
    nodes,
    linkMode,
    serviceBackend,
    ...(mtu !== undefined && { mtuBytes: mtu }),
    ipFamilies: pods.map(({ family }) => family),
    clusterCidrs: pods.map(formatCidr),
    nodeCidrPrefixLengths,
    serviceCidrs: services.map(formatCidr),
    clusterDns: services.map((range) => formatIp(cidrAddress(range, 10))),
    clusterDomain,
    upstreams: [],
  };
}
