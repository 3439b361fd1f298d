import { SERVICE_ANNOTATIONS, SERVICE_LABELS } from '../cluster/lean-services.ts';
import { type IpFamily, formatCidr, tryParseCidr, tryParseIp } from '../model/ip.ts';
import type { Service } from '../model/objects.ts';
import { readAddress } from './endpoints.ts';
import { forbiddenRange } from './forbidden-ranges.ts';
import type { FrontKind, NodeFacts } from './plan.ts';

/** A part of a Service that is left alone: a field and what is the matter with it. */
export interface Remark {
  readonly field: string;
  readonly reason: string;
  readonly refused: boolean;
}

/** An address of a Service, good for each of its ports. */
export interface FrontAddress {
  readonly kind: Exclude<FrontKind, 'nodePort'>;
  readonly address: string;
  readonly family: IpFamily;
  /** `spec.externalIPs[0]`. */
  readonly field: string;
}

export interface FrontAddresses {
  /** Those with source ranges first: an address that a Service names twice is served by the narrower rule. */
  readonly addresses: readonly FrontAddress[];
  /** Of its cluster IPs. */
  readonly families: readonly IpFamily[];
  readonly remarks: readonly Remark[];
}

/** Why the whole Service is none of this node's business. */
export function reasonToIgnore(service: Service): Remark | undefined {
  const { metadata, spec } = service;
  const leave = (field: string, reason: string): Remark => ({ field, reason, refused: false });
  if (spec?.type === 'ExternalName') return leave('spec.type', 'is ExternalName');
  const [first] = clusterIps(service);
  if (first === 'None') return leave('spec.clusterIP', 'is None');
  if (first === undefined || first === '') return leave('spec.clusterIP', 'is not allocated yet');
  const proxy = metadata?.labels?.[SERVICE_LABELS.proxyName];
  if (proxy !== undefined) return leave('metadata.labels', `gives it to the proxy ${JSON.stringify(proxy)}`);
  const { headless } = SERVICE_LABELS;
  if (metadata?.labels?.[headless] !== undefined) return leave('metadata.labels', `has ${headless}`);
  return undefined;
}

function clusterIps({ spec }: Service): readonly string[] {
  if (spec?.clusterIPs && spec.clusterIPs.length > 0) return spec.clusterIPs;
  return spec?.clusterIP === undefined ? [] : [spec.clusterIP];
}

/** Which addresses are the node's, whatever a Service says. */
export interface OwnAddresses {
  /** That it answers on itself, such as the cluster DNS. */
  readonly local: ReadonlySet<string>;
  readonly node: Pick<NodeFacts, 'name' | 'addresses' | 'otherNodes'>;
}

/** Every address of the Service but node ports. */
export function frontAddresses(service: Service, own: OwnAddresses): FrontAddresses {
  const addresses: FrontAddress[] = [];
  const remarks: Remark[] = [];
  const families: IpFamily[] = [];
  const add = (kind: FrontAddress['kind'], text: string, field: string): void => {
    const read = readFront(text, own, kind === 'clusterIP' ? undefined : families);
    if ('reason' in read) {
      remarks.push({ field, ...read });
      // One that is left to the node itself is the Service's all the same.
      const family = tryParseIp(text)?.family;
      if (kind === 'clusterIP' && !read.refused && family !== undefined) families.push(family);
      return;
    }
    if (kind === 'clusterIP') families.push(read.family);
    if (addresses.some(({ address }) => address === read.address)) {
      remarks.push({ field, reason: `is ${read.address}, which the Service has already`, refused: false });
    } else {
      addresses.push({ kind, field, ...read });
    }
  };
  for (const [index, text] of clusterIps(service).entries()) add('clusterIP', text, clusterIpField(index));
  const { spec, status } = service;
  if (spec?.type === 'LoadBalancer') {
    for (const [index, { ip, ipMode }] of (status?.loadBalancer?.ingress ?? []).entries()) {
      const field = `status.loadBalancer.ingress[${index}]`;
      if (ip === undefined || ip === '') continue;
      if (ipMode === 'Proxy') remarks.push({ field: `${field}.ipMode`, reason: 'is Proxy', refused: false });
      else add('loadBalancerIP', ip, `${field}.ip`);
    }
  }
  for (const [index, text] of (spec?.externalIPs ?? []).entries())
    add('externalIP', text, `spec.externalIPs[${index}]`);
  return { addresses, families: [...new Set(families)], remarks };
}

function clusterIpField(index: number): string {
  return index === 0 ? 'spec.clusterIPs[0]' : 'spec.clusterIPs[1]';
}

function readFront(
  text: string,
  { local, node }: OwnAddresses,
  families: readonly IpFamily[] | undefined,
): { address: string; family: IpFamily } | Omit<Remark, 'field'> {
  const family = text.includes(':') ? 6 : 4;
  const address = readAddress(text, family);
  if (address === undefined)
    return { reason: `is ${JSON.stringify(text)}, which is no address`, refused: true };
  const range = forbiddenRange(address);
  if (range !== undefined) return { reason: `is ${address}, in ${range}`, refused: true };
  if (local.has(address))
    return { reason: `is ${address}, which this node answers on itself`, refused: false };
  // Whoever may write a Service could take a node's SSH or its kubelet's port otherwise.
  if (families !== undefined && (node.addresses.includes(address) || node.otherNodes?.includes(address)))
    return { reason: `is ${address}, the own address of a node`, refused: true };
  if (families !== undefined && !families.includes(family)) {
    return { reason: `is ${address}, and the Service has no IPv${family} cluster IP`, refused: true };
  }
  return { address, family };
}

export interface SourceRanges {
  /** Undefined: from anywhere. */
  readonly ranges: Readonly<Record<IpFamily, readonly string[]>> | undefined;
  readonly remarks: readonly Remark[];
}

const ANYWHERE: SourceRanges = { ranges: undefined, remarks: [] };

/**
 * From where a load balancer's addresses may be reached: `spec.loadBalancerSourceRanges`, or the annotation older
 * than it. What cannot be read admits nobody; a family without a range is closed too.
 */
export function sourceRanges({ metadata, spec }: Service): SourceRanges {
  if (spec?.type !== 'LoadBalancer') return ANYWHERE;
  const annotation = metadata?.annotations?.[SERVICE_ANNOTATIONS.sourceRanges]?.trim();
  const list = spec.loadBalancerSourceRanges ?? [];
  if (list.length === 0 && !annotation) return ANYWHERE;
  const texts = list.length > 0 ? list : (annotation ?? '').split(',');
  const ranges = { 4: [] as string[], 6: [] as string[] };
  const remarks: Remark[] = [];
  for (const [index, text] of texts.entries()) {
    const parsed = tryParseCidr(text.trim());
    const field =
      list.length > 0
        ? `spec.loadBalancerSourceRanges[${index}]`
        : `metadata.annotations[${SERVICE_ANNOTATIONS.sourceRanges}]`;
    if (parsed === undefined)
      remarks.push({ field, reason: `has ${JSON.stringify(text)}, which is no CIDR`, refused: true });
    else ranges[parsed.network.family].push(formatCidr(parsed.network));
  }
  return { ranges, remarks };
}

const DEFAULT_AFFINITY_SECONDS = 10_800;
const MAX_AFFINITY_SECONDS = 86_400;

/** How long a client stays with its endpoint; undefined without affinity. */
export function affinity({ spec }: Service): { seconds: number | undefined; remarks: readonly Remark[] } {
  if (spec?.sessionAffinity !== 'ClientIP') return { seconds: undefined, remarks: [] };
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS;
  if (Number.isInteger(seconds) && seconds > 0 && seconds <= MAX_AFFINITY_SECONDS)
    return { seconds, remarks: [] };
  const field = 'spec.sessionAffinityConfig.clientIP.timeoutSeconds';
  const reason = `is ${JSON.stringify(seconds)}, not 1 to ${MAX_AFFINITY_SECONDS}`;
  return { seconds: DEFAULT_AFFINITY_SECONDS, remarks: [{ field, reason, refused: true }] };
}
