import type { Container, Pod } from '../../model/objects.ts';
import { PodnetError } from '../../model/errors.ts';

/** What the downward API knows that is not in the pod's spec. */
export interface PodFacts {
  readonly podAddresses: readonly string[];
  readonly hostAddresses: readonly string[];
  readonly nodeName: string;
  /** Of the node, for resources without a limit. */
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** The text of a `fieldRef`. Throws `PodnetError` with code `config-missing` for a path that is none. */
export function fieldValue(pod: Pod, path: string, facts: PodFacts, where: string): string {
  const { metadata, spec } = pod;
  const [, map, key] = /^metadata\.(labels|annotations)\['([^']*)'\]$/.exec(path) ?? [];
  if (map !== undefined && key !== undefined)
    return (map === 'labels' ? metadata?.labels : metadata?.annotations)?.[key] ?? '';
  const fields: Readonly<Record<string, string | undefined>> = {
    'metadata.name': metadata?.name,
    'metadata.namespace': metadata?.namespace,
    'metadata.uid': metadata?.uid,
    'metadata.labels': printMap(metadata?.labels),
    'metadata.annotations': printMap(metadata?.annotations),
    'spec.nodeName': facts.nodeName,
    'spec.serviceAccountName': spec?.serviceAccountName ?? 'default',
    'status.hostIP': facts.hostAddresses[0],
    'status.hostIPs': facts.hostAddresses.join(','),
    'status.podIP': facts.podAddresses[0],
    'status.podIPs': facts.podAddresses.join(','),
  };
  if (!Object.hasOwn(fields, path))
    throw new PodnetError(`unsupported fieldPath: ${path}`, {
      code: 'config-missing',
      where,
      fix: 'Use a field of the downward API.',
    });
  return fields[path] ?? '';
}

function printMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join('\n');
}

/** The text of a `resourceFieldRef`: `limits.cpu` in whole CPUs (rounded up) unless the divisor is finer. */
export function resourceValue(
  { resources }: Container,
  resource: string,
  divisor: string | undefined,
  facts: PodFacts,
): string {
  const [kind, name = ''] = resource.split('.', 2);
  const values = kind === 'requests' ? resources?.requests : resources?.limits;
  const fallback = name === 'cpu' ? facts.cpus : name === 'memory' ? facts.memoryBytes : 0;
  const quantity = values?.[name];
  const amount = quantity === undefined ? (kind === 'limits' ? fallback : 0) : quantityValue(quantity);
  const unit = divisor === undefined || divisor === '0' ? 1 : quantityValue(divisor);
  return String(Math.ceil(amount / (unit || 1)));
}

const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

function quantityValue(quantity: string): number {
  const [, number = '0', suffix = ''] = /^([-+]?[\d.]+(?:[eE][-+]?\d+)?)([A-Za-z]*)$/.exec(quantity) ?? [];
  return Number(number) * (SUFFIXES[suffix] ?? 1);
}
