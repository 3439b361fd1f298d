import { PodnetError } from '../model/errors.ts';
import {
  cidrAddress,
  cidrsOverlap,
  formatCidr,
  formatIp,
  parseCidr,
  tryParseCidr,
  type Cidr,
} from '../model/ip.ts';

/** Everything a lab can be told, complete and checked. Plain data: it crosses a process boundary as JSON. */
export interface LabOptions {
  /** Of the cluster; several run side by side under different names. */
  readonly name: string;
  readonly nodes: number;
  readonly link: 'routed';
  /** Pods' addresses; each node gets an equal part of `nodeCidrPrefixLength`. */
  readonly clusterCidr: string;
  readonly nodeCidrPrefixLength: number;
  readonly serviceCidr: string;
  readonly clusterDns: string;
  readonly clusterDomain: string;
  /** Resolvers for names outside the cluster. The lab has no way out, so there are none by default. */
  readonly upstreams: readonly string[];
}

/** What a user may leave out or write in a `--config` file. */
export interface LabSettings {
  readonly name?: string;
  readonly nodes?: number;
  readonly link?: string;
  readonly cidr?: string;
  readonly nodeCidrMaskSize?: number;
  readonly serviceCidr?: string;
  readonly clusterDomain?: string;
}

/** The lab's own networks; pods and Services must keep clear of them. */
export const reservedCidrs = ['172.18.0.0/24', '203.0.113.0/24', '169.254.0.0/16', '127.0.0.0/8'] as const;

const maxNodes = 100;

function refuse(where: string, message: string, fix: string): never {
  throw new PodnetError(message, { code: 'invalid-option', where, fix });
}

function ipv4Cidr(where: string, text: string): Cidr {
  const parsed = tryParseCidr(text);
  if (parsed?.network.family !== 4)
    refuse(where, `"${text}" is not an IPv4 CIDR`, 'Write it as in 10.244.0.0/16.');
  const exact = formatCidr(parsed.network);
  if (exact !== text) refuse(where, `"${text}" has bits set beyond its prefix`, `Write ${exact} instead.`);
  return parsed.network;
}

/** The length of each node's part of the pods' CIDR: /24 as everywhere, or as much as there is. */
function nodeMask(wanted: number | undefined, cluster: Cidr, nodes: number): number {
  const bitsForNodes = Math.ceil(Math.log2(nodes));
  if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 16 && wanted <= 28)) {
    refuse('nodeCidrMaskSize', `${wanted} is not the length of a node's prefix`, 'Choose from 16 to 28.');
  }
  const length = wanted ?? Math.max(24, Math.min(28, cluster.prefixLength + bitsForNodes));
  if (length - cluster.prefixLength < bitsForNodes) {
    refuse(
      'cidr',
      `${formatCidr(cluster)} is too small for ${nodes} nodes: each needs ${wanted === undefined ? 'at least a /28' : `a /${wanted}`}`,
      `Use a prefix of /${length - bitsForNodes} or shorter, or fewer nodes.`,
    );
  }
  return length;
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
  const link = settings.link ?? 'routed';
  if (link === 'bridge') {
    refuse('link', 'Bridge links are not available yet', 'Use --link routed, the default.');
  }
  if (link !== 'routed') refuse('link', `"${link}" is not a kind of link`, 'Use --link routed.');

  const cluster = ipv4Cidr('cidr', settings.cidr ?? '10.244.0.0/16');
  const nodeCidrPrefixLength = nodeMask(settings.nodeCidrMaskSize, cluster, nodes);
  const services = ipv4Cidr('serviceCidr', settings.serviceCidr ?? '10.96.0.0/16');
  if (services.prefixLength > 27 || services.prefixLength < 8) {
    refuse(
      'serviceCidr',
      `${formatCidr(services)} cannot hold a cluster's Services`,
      'Use a prefix from /8 to /27.',
    );
  }
  const taken: [whose: string, range: Cidr][] = reservedCidrs.map((text) => [
    `the lab's own ${text}`,
    parseCidr(text),
  ]);
  for (const [where, range] of [
    ['cidr', cluster],
    ['serviceCidr', services],
  ] as const) {
    for (const [whose, other] of taken) {
      if (cidrsOverlap(range, other))
        refuse(where, `${formatCidr(range)} overlaps ${whose}`, 'Choose another range.');
    }
    taken.push([`${where} ${formatCidr(range)}`, range]);
  }
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
    link,
    clusterCidr: formatCidr(cluster),
    nodeCidrPrefixLength,
    serviceCidr: formatCidr(services),
    clusterDns: formatIp(cidrAddress(services, 10)),
    clusterDomain,
    upstreams: [],
  };
}
