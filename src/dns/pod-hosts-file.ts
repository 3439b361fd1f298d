import { isIP } from 'node:net';

import type { Pod } from '../model/objects.ts';

export interface HostsFileOptions {
  /** The pod's addresses, IPv4 first; empty while it has none. */
  readonly addresses: readonly string[];
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** The text of the node's own `/etc/hosts`, which a `hostNetwork` pod sees. */
  readonly nodeHosts?: string;
}

/** The name a pod's containers see as their own: `spec.hostname`, else the pod's name cut to 63 characters. */
export function podHostname(pod: Pod): string {
  const name = pod.spec?.hostname ?? pod.metadata?.name ?? 'localhost';
  return name.slice(0, 63).replace(/[-.]+$/, '');
}

/** `<hostname>.<subdomain>.<namespace>.svc.<cluster domain>`, or undefined for a pod without `spec.subdomain`. */
export function podFqdn(pod: Pod, clusterDomain: string): string | undefined {
  const subdomain = pod.spec?.subdomain;
  if (!subdomain) return undefined;
  return `${podHostname(pod)}.${subdomain}.${pod.metadata?.namespace ?? 'default'}.svc.${clusterDomain}`;
}

/**
 * The `/etc/hosts` of a pod's containers: loopback, the pod's own names and its `hostAliases`; for a `hostNetwork` pod
 * the node's file and the aliases. Aliases that could not stand in the file are left out.
 */
export function hostsFile(pod: Pod, options: HostsFileOptions): string {
  const lines = pod.spec?.hostNetwork === true ? nodeLines(options) : podLines(pod, options);
  const aliases = (pod.spec?.hostAliases ?? []).flatMap(({ ip, hostnames }) => {
    const names = (hostnames ?? []).filter((name) => HOST_NAME.test(name));
    return ip !== undefined && isIP(ip) !== 0 && names.length > 0 ? [[ip, ...names].join('\t')] : [];
  });
  if (aliases.length > 0) lines.push('', '# From spec.hostAliases', ...aliases);
  return lines.map((line) => `${line}\n`).join('');
}

const HOST_NAME = /^[A-Za-z0-9_](?:[-A-Za-z0-9_.]{0,252})$/;

function nodeLines({ nodeHosts }: HostsFileOptions): string[] {
  return ['# The hosts file of the node', ...(nodeHosts ?? '127.0.0.1\tlocalhost\n').trimEnd().split('\n')];
}

function podLines(pod: Pod, { addresses, clusterDomain }: HostsFileOptions): string[] {
  const names = [podFqdn(pod, clusterDomain), podHostname(pod)].filter(
    (name) => name !== undefined && HOST_NAME.test(name),
  );
  return [
    '# Kept by podnet for this pod',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'ff00::0\tip6-mcastprefix',
    'ff02::1\tip6-allnodes',
    'ff02::2\tip6-allrouters',
    ...addresses.map((address) => [address, ...names].join('\t')),
  ];
}
