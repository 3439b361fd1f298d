import { isNotFound, type Client } from '../cluster/client.ts';
import { configMaps } from '../cluster/resources.ts';
import { type LinkMode, linkModes } from '../cni/pod-network.ts';
import { PodnetError } from '../model/errors.ts';
import { type IpFamily, tryParseCidr, tryParseIp } from '../model/ip.ts';
import { type DnsConfig, parseDnsConfig } from './dns-config.ts';
import { type BackendName, backendNames } from '../services/backends/switching.ts';
import { type ServiceConfig, parseServiceConfig } from './service-config.ts';

/** What every node's agent must know of its cluster and no object of Kubernetes says. */
export interface ClusterConfig {
  /** All pods' addresses: one CIDR, or one of each IP family. */
  readonly clusterCidrs: readonly string[];
  /** The addresses of the cluster's DNS, of the same IP families. */
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  /** Resolvers for names outside the cluster, `ADDRESS[:PORT]`. */
  readonly upstreams: readonly string[];
  /** How pods are connected to their node. */
  readonly linkMode: LinkMode;
  /** What carries Services out in the kernel. May change while agents run. */
  readonly serviceBackend: BackendName;
  /** Of the pods' links; found from each node's uplink when absent. */
  readonly mtuBytes?: number;
  /** Of the cluster DNS; each setting may be left out. */
  readonly dns?: DnsConfig;
  readonly services?: ServiceConfig;
}

/** Where it is kept: the ConfigMap `podnet` in `kube-system`, a key a setting. */
export const configMapRef = { namespace: 'kube-system', name: 'podnet' } as const;

const keys = {
  clusterCidrs: 'cluster-cidr',
  clusterDns: 'cluster-dns',
  clusterDomain: 'cluster-domain',
  upstreams: 'upstreams',
  linkMode: 'link-mode',
  serviceBackend: 'service-backend',
  mtuBytes: 'mtu',
} as const satisfies Record<Exclude<keyof ClusterConfig, 'dns' | 'services'>, string>;

/** The ConfigMap's `data` for a configuration. */
export function configMapData(config: ClusterConfig): Record<string, string> {
  return {
    [keys.clusterCidrs]: config.clusterCidrs.join(','),
    [keys.clusterDns]: config.clusterDns.join(','),
    [keys.clusterDomain]: config.clusterDomain,
    [keys.upstreams]: config.upstreams.join(' '),
    [keys.linkMode]: config.linkMode,
    [keys.serviceBackend]: config.serviceBackend,
    ...(config.mtuBytes !== undefined && { [keys.mtuBytes]: String(config.mtuBytes) }),
  };
}

function setting(
  data: Readonly<Record<string, string>>,
  key: string,
  valid: (value: string) => boolean,
): string {
  const value = data[key];
  if (value !== undefined && valid(value)) return value;
  throw new PodnetError(value === undefined ? `${key} is missing` : `${key}: "${value}" is not valid`, {
    code: 'invalid-config',
    where: `ConfigMap ${configMapRef.namespace}/${configMapRef.name}, data.${key}`,
    fix: `Correct it with: kubectl edit configmap -n ${configMapRef.namespace} ${configMapRef.name}`,
  });
}

/** One value, or one of each IP family with a comma between them. */
function familyList(
  data: Readonly<Record<string, string>>,
  key: string,
  familyOf: (text: string) => IpFamily | undefined,
): readonly string[] {
  const split = (value: string): string[] => value.split(',').map((text) => text.trim());
  const value = setting(data, key, (text) => {
    const families = split(text).map(familyOf);
    return !families.includes(undefined) && new Set(families).size === families.length;
  });
  return split(value);
}

function isLinkMode(text: string): boolean {
  return linkModes.some((mode) => mode === text);
}

/** From the smallest that carries IPv4 (RFC 791) to the largest a packet can have. */
function isMtu(text: string): boolean {
  return /^\d{3,5}$/.test(text) && Number(text) >= 576 && Number(text) <= 65_535;
}

/** The backend in a ConfigMap's `data`; nftables when it says nothing. @throws PodnetError for one there is not */
export function parseServiceBackend(data: Readonly<Record<string, string>>): BackendName {
  const key = keys.serviceBackend;
  const name = setting({ [key]: 'nftables', ...data }, key, (text) => findBackend(text) !== undefined);
  return findBackend(name) ?? 'nftables';
}

function findBackend(text: string): BackendName | undefined {
  return backendNames.find((name) => name === text);
}

/** The configuration in a ConfigMap's `data`. @throws PodnetError naming the key that is wrong */
export function parseClusterConfig(data: Readonly<Record<string, string>>): ClusterConfig {
  const upstreams = data[keys.upstreams]?.split(/\s+/).filter((word) => word !== '') ?? [];
  const linkMode = setting({ [keys.linkMode]: 'routed', ...data }, keys.linkMode, isLinkMode);
  return {
    clusterCidrs: familyList(data, keys.clusterCidrs, (text) => tryParseCidr(text)?.network.family),
    clusterDns: familyList(data, keys.clusterDns, (text) => tryParseIp(text)?.family),
    clusterDomain: setting(data, keys.clusterDomain, (value) => /^[a-z0-9.-]{1,200}$/.test(value)),
    upstreams,
    linkMode: linkModes.find((mode) => mode === linkMode) ?? 'routed',
    serviceBackend: parseServiceBackend(data),
    dns: parseDnsConfig(data),
    services: parseServiceConfig(data),
    ...(data[keys.mtuBytes] !== undefined && { mtuBytes: Number(setting(data, keys.mtuBytes, isMtu)) }),
  };
}

/** Reads the cluster's configuration from the API. @throws PodnetError when it is missing or wrong */
export async function readClusterConfig(client: Client): Promise<ClusterConfig> {
  const { namespace, name } = configMapRef;
  try {
    const { data } = await client.get(configMaps, configMapRef);
    return parseClusterConfig(data ?? {});
  } catch (cause) {
    if (!isNotFound(cause)) throw cause;
    throw new PodnetError('The cluster has no configuration for podnet', {
      code: 'config-missing',
      where: `ConfigMap ${namespace}/${name}`,
      fix: `Create it with the keys ${Object.values(keys).join(', ')}.`,
      cause,
    });
  }
}
