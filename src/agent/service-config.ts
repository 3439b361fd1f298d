import { PodnetError } from '../model/errors.ts';
import { formatCidr, tryParseCidr } from '../model/ip.ts';

/** How a node's agent serves Services: the keys of ConfigMap `podnet` that begin as below. */
export interface ServiceConfig {
  /** CIDRs of the node addresses that serve node ports; absent: each node's first InternalIP of each IP family. */
  readonly nodePortAddresses?: readonly string[];
  /** Where each node says that its proxy works, kube-proxy's being 10256; absent: nowhere. */
  readonly proxyHealthPort?: number;
}

const keys = { nodePortAddresses: 'node-port-addresses', proxyHealthPort: 'proxy-health-port' } as const;

/** Reads the keys `node-port-addresses` and `proxy-health-port`. @throws PodnetError naming the key that is wrong */
export function parseServiceConfig(data: Readonly<Record<string, string>>): ServiceConfig {
  const addresses = data[keys.nodePortAddresses]?.trim() ?? 'primary';
  const port = data[keys.proxyHealthPort]?.trim() ?? '0';
  return {
    ...(addresses !== 'primary' && { nodePortAddresses: addresses.split(',').map(readCidr) }),
    ...(port !== '0' && { proxyHealthPort: readPort(port) }),
  };
}

function readCidr(text: string): string {
  const parsed = tryParseCidr(text.trim());
  if (parsed === undefined)
    throw wrong(keys.nodePortAddresses, text, '`primary`, or CIDRs with commas between');
  return formatCidr(parsed.network);
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/u.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw wrong(keys.proxyHealthPort, text, 'a port, or 0 for none');
  return port;
}

function wrong(key: string, value: string, expected: string): PodnetError {
  return new PodnetError(`${key}: "${value}" is not ${expected}`, {
    code: 'invalid-config',
    where: `ConfigMap kube-system/podnet, data.${key}`,
    fix: 'Correct it with: kubectl edit configmap -n kube-system podnet',
  });
}
