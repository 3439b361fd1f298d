import { type ResolvConf, resolvConf } from '../dns/pod-resolv-conf.ts';
import type { PlannedRecord } from '../dns/zone/plan.ts';
import { explainRecord, printData } from '../dns/zone/plan.ts';
import { nameKey } from '../dns/wire/name.ts';
import { PodnetError } from '../model/errors.ts';
import type { Pod } from '../model/objects.ts';
import type { TraceView } from './view.ts';

/** What the source pod learns about a name, and how. */
export interface NameResolution {
  /** The name that was found. */
  readonly name: string;
  /** Address records, in the zone's order: the client takes any of them. */
  readonly records: readonly PlannedRecord[];
  /** Names of the search list that did not exist before one did, then aliases that were followed. */
  readonly tried: readonly string[];
}

const MAX_ALIASES = 8;

function podResolver({ clusterDns, clusterDomain }: TraceView, pod: Pod): ResolvConf {
  return resolvConf(pod, { clusterDns, clusterDomain, nodeResolvConf: '' });
}

/** Whether the pod's first nameserver is the cluster DNS, which its `dnsPolicy` decides. */
export function usesClusterDns(view: TraceView, pod: Pod): boolean {
  const [first] = podResolver(view, pod).nameservers;
  return first !== undefined && view.clusterDns.includes(first);
}

/** Asks the cluster DNS as the pod's resolver would, search list and `ndots` included. Throws `PodnetError`. */
export function resolveName(view: TraceView, pod: Pod, name: string): NameResolution {
  const { searches, options } = podResolver(view, pod);
  if (!usesClusterDns(view, pod)) {
    const { namespace, name: podName } = pod.metadata ?? {};
    throw new PodnetError(`Pod ${namespace}/${podName} does not ask the cluster DNS`, {
      code: 'trace-other-resolver',
      where: `Pod ${namespace}/${podName} spec.dnsPolicy: ${pod.spec?.dnsPolicy ?? 'ClusterFirst'}`,
      fix: 'Trace to svc/NAME or to an address.',
    });
  }
  const ndots = Number(options.find((option) => option.startsWith('ndots:'))?.slice(6) ?? 1);
  const plain = name.replace(/\.$/, '');
  const searched = searches.map((domain) => `${plain}.${domain}`);
  const candidates = name.endsWith('.')
    ? [plain]
    : plain.split('.').length > ndots
      ? [plain, ...searched]
      : [...searched, plain];
  const tried: string[] = [];
  for (const candidate of candidates) {
    const found = follow(view, candidate, tried);
    if (found.length > 0) return { name: candidate, records: found, tried };
    tried.push(`${candidate} does not exist`);
  }
  throw new PodnetError(`The cluster DNS knows no address for ${name}`, {
    code: 'trace-unknown-name',
    where: tried.join('; '),
    fix: 'A Service is called NAME within its namespace and NAME.NAMESPACE from others; a headless one needs ready pods.',
  });
}

function follow(
  { zone, clusterDomain }: TraceView,
  start: string,
  tried: string[],
): readonly PlannedRecord[] {
  let name = start;
  for (let step = 0; step < MAX_ALIASES; step++) {
    const records = zone.find(nameKey(name))?.records ?? [];
    const addresses = records.filter(({ data }) => data.type === 'A' || data.type === 'AAAA');
    if (addresses.length > 0) return addresses.toSorted((a, b) => (a.data.type < b.data.type ? -1 : 1));
    const alias = records.find(({ data }) => data.type === 'CNAME');
    if (alias?.data.type !== 'CNAME') return [];
    const { target } = alias.data;
    if (!`.${target}`.endsWith(`.${clusterDomain}`)) throw leadsOutside(alias);
    tried.push(explainRecord(alias));
    name = target;
  }
  return [];
}

function leadsOutside({ name, data, source }: PlannedRecord): PodnetError {
  const target = printData(data).replace(/\.$/, '');
  return new PodnetError(`${name} is an alias of ${target}, which is outside the cluster`, {
    code: 'trace-external-name',
    where: `${source.kind} ${source.namespace}/${source.name} ${source.field}: ${source.value}`,
    fix: `Resolve ${target} yourself and trace to the address with its port.`,
  });
}
