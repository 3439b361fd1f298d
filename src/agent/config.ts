import { isNotFound, type Client } from '../cluster/client.ts';
import { configMaps } from '../cluster/resources.ts';
import { PodnetError } from '../model/errors.ts';
import { tryParseCidr, tryParseIp } from '../model/ip.ts';

/** What every node's agent must know of its cluster and no object of Kubernetes says. */
export interface ClusterConfig {
  /** All pods' addresses. */
  readonly clusterCidr: string;
  readonly clusterDns: string;
  readonly clusterDomain: string;
  /** Resolvers for names outside the cluster, `ADDRESS[:PORT]`. */
  readonly upstreams: readonly string[];
}

/** Where it is kept: the ConfigMap `podnet` in `kube-system`, a key a setting. */
export const configMapRef = { namespace: 'kube-system', name: 'podnet' } as const;

const keys = {
  clusterCidr: 'cluster-cidr',
  clusterDns: 'cluster-dns',
  clusterDomain: 'cluster-domain',
  upstreams: 'upstreams',
} as const satisfies Record<keyof ClusterConfig, string>;

/** The ConfigMap's `data` for a configuration. */
export function configMapData(config: ClusterConfig): Record<string, string> {
  return {
    [keys.clusterCidr]: config.clusterCidr,
    [keys.clusterDns]: config.clusterDns,
    [keys.clusterDomain]: config.clusterDomain,
    [keys.upstreams]: config.upstreams.join(' '),
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

/** The configuration in a ConfigMap's `data`. @throws PodnetError naming the key that is wrong */
export function parseClusterConfig(data: Readonly<Record<string, string>>): ClusterConfig {
  const upstreams = data[keys.upstreams]?.split(/\s+/).filter((word) => word !== '') ?? [];
  return {
    clusterCidr: setting(data, keys.clusterCidr, (value) => tryParseCidr(value) !== undefined),
    clusterDns: setting(data, keys.clusterDns, (value) => tryParseIp(value) !== undefined),
    clusterDomain: setting(data, keys.clusterDomain, (value) => /^[a-z0-9.-]{1,200}$/.test(value)),
    upstreams,
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
