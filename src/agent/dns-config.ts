import type { ClientLimitOptions } from '../dns/serving/client-limits.ts';
import { PodnetError } from '../model/errors.ts';
import { tryParseIp } from '../model/ip.ts';

/** What the ConfigMap says of the cluster DNS at each node. */
export interface DnsConfig {
  /** Addresses that every node answers on besides the cluster DNS addresses: 169.254.20.10. */
  readonly linkLocal: readonly string[];
  /** Questions to the DNS and answers of it are kept out of conntrack. */
  readonly notrack: boolean;
  /** A second, from one client address. It may ask twice as many at once. */
  readonly queriesPerClient: number;
}

export const defaultDnsConfig: DnsConfig = {
  linkLocal: [],
  notrack: true,
  queriesPerClient: 20_000,
};

/** What one client may take; denials and errors a quarter of it. */
export function clientLimits({ queriesPerClient: perSecond }: DnsConfig): ClientLimitOptions {
  return {
    queriesPerSecond: perSecond,
    queriesBurst: perSecond * 2,
    errorsPerSecond: perSecond / 4,
    errorsBurst: perSecond / 2,
  };
}

export const dnsKeys = {
  linkLocal: 'dns-link-local',
  notrack: 'dns-notrack',
  queriesPerClient: 'dns-queries-per-client',
} as const satisfies Record<keyof DnsConfig, string>;

/** The settings in a ConfigMap's `data`; each may be left out. @throws PodnetError naming the key that is wrong */
export function parseDnsConfig(data: Readonly<Record<string, string>>): DnsConfig {
  const linkLocal = words(data[dnsKeys.linkLocal]);
  const wrong = linkLocal.find((address) => tryParseIp(address) === undefined);
  if (wrong !== undefined) refuse(dnsKeys.linkLocal, wrong, 'addresses with commas between them');
  const notrack = data[dnsKeys.notrack] ?? 'true';
  if (notrack !== 'true' && notrack !== 'false') refuse(dnsKeys.notrack, notrack, 'true or false');
  return {
    linkLocal,
    notrack: notrack === 'true',
    queriesPerClient:
      whole(data, dnsKeys.queriesPerClient, { least: 1, most: 10_000_000 }) ??
      defaultDnsConfig.queriesPerClient,
  };
}

function words(text = ''): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

function whole(
  data: Readonly<Record<string, string>>,
  key: string,
  { least, most }: { readonly least: number; readonly most: number },
): number | undefined {
  const text = data[key];
  if (text === undefined) return undefined;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  return value >= least && value <= most ? value : refuse(key, text, `a number from ${least} to ${most}`);
}

function refuse(key: string, value: string, wanted: string): never {
  throw new PodnetError(`${key}: "${value}" is not valid`, {
    code: 'invalid-config',
    where: `ConfigMap kube-system/podnet, data.${key}`,
    fix: `Write ${wanted}.`,
  });
}
