import { isIP } from 'node:net';

import type { Pod } from '../model/objects.ts';

/** The resolver's limits as Kubernetes sets them (KEP-2595 for the search list; resolv.conf(5) for nameservers). */
export const RESOLV_CONF_LIMITS = { nameservers: 3, searches: 32, searchCharacters: 2048 } as const;

export interface ResolvConfOptions {
  /** Addresses of the cluster DNS, in order of preference. */
  readonly clusterDns: readonly string[];
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** The text of the node's own `/etc/resolv.conf`; empty when it has none. */
  readonly nodeResolvConf: string;
}

export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  /** As written: `ndots:5`, `edns0`. */
  readonly options: readonly string[];
  /** The file's text. */
  readonly text: string;
  /** What was left out and why, one sentence each: matter for an Event on the pod. */
  readonly warnings: readonly string[];
}

interface Settings {
  readonly nameservers: string[];
  readonly searches: string[];
  readonly options: string[];
}

/**
 * The `/etc/resolv.conf` of a pod's containers: its `dnsPolicy` gives the base, its `dnsConfig` is merged in, and the
 * result is held to the resolver's limits. Values that could not stand in the file are left out with a warning.
 */
export function resolvConf(pod: Pod, options: ResolvConfOptions): ResolvConf {
  const warnings: string[] = [];
  const base = baseSettings(pod, options, warnings);
  const config = pod.spec?.dnsConfig;
  const nameservers = usable(
    [...base.nameservers, ...(config?.nameservers ?? [])],
    (address) => isIP(address) !== 0,
    (address) => warnings.push(`Nameserver ${JSON.stringify(address)} is not an IP address and was left out`),
  );
  const searches = usable(
    [...base.searches, ...(config?.searches ?? [])],
    (domain) => SEARCH_DOMAIN.test(domain),
    (domain) => warnings.push(`Search domain ${JSON.stringify(domain)} is not a DNS name and was left out`),
  );
  const resolverOptions = usable(
    mergeOptions(
      base.options,
      (config?.options ?? []).map(({ name, value }) =>
        value === undefined ? (name ?? '') : `${name ?? ''}:${value}`,
      ),
    ),
    (option) => RESOLVER_OPTION.test(option),
    (option) =>
      warnings.push(`Resolver option ${JSON.stringify(option)} is not well formed and was left out`),
  );

  const settings: Settings = {
    nameservers: limitNameservers(nameservers, warnings),
    searches: limitSearches(searches, warnings),
    options: resolverOptions,
  };
  return { ...settings, text: printSettings(settings), warnings };
}

const SEARCH_DOMAIN = /^(?:\.|[A-Za-z0-9_](?:[-A-Za-z0-9_.]{0,252})\.?)$/;
const RESOLVER_OPTION = /^[!-~]{1,255}$/;

function baseSettings(pod: Pod, options: ResolvConfOptions, warnings: string[]): Settings {
  const node = parseResolvConf(options.nodeResolvConf);
  const policy = effectivePolicy(pod);
  if (policy === 'None') return { nameservers: [], searches: [], options: [] };
  if (policy === 'Default') return node;
  if (options.clusterDns.length === 0) {
    warnings.push('The node knows no cluster DNS address: the pod uses the resolver settings of the node');
    return node;
  }
  const namespace = pod.metadata?.namespace ?? 'default';
  const domain = options.clusterDomain;
  return {
    nameservers: [...options.clusterDns],
    searches: [`${namespace}.svc.${domain}`, `svc.${domain}`, domain, ...node.searches],
    options: ['ndots:5'],
  };
}

/** `ClusterFirst` on the node's network means the node's own resolver; `ClusterFirstWithHostNet` says otherwise. */
function effectivePolicy(pod: Pod): 'None' | 'Default' | 'Cluster' {
  const policy = pod.spec?.dnsPolicy ?? 'ClusterFirst';
  if (policy === 'None' || policy === 'Default') return policy;
  return policy === 'ClusterFirst' && pod.spec?.hostNetwork === true ? 'Default' : 'Cluster';
}

/** Reads resolv.conf(5): the last `search` or `domain` line wins, nameservers and options add up. */
export function parseResolvConf(text: string): Settings {
  const settings: Settings = { nameservers: [], searches: [], options: [] };
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && values[0] !== undefined) settings.nameservers.push(values[0]);
    if (keyword === 'search' || keyword === 'domain') settings.searches.splice(0, Infinity, ...values);
    if (keyword === 'options') settings.options.push(...values);
  }
  return settings;
}

function usable(
  values: readonly string[],
  accept: (value: string) => boolean,
  onRefused: (value: string) => void,
): string[] {
  const unique = [...new Set(values)];
  for (const value of unique) if (!accept(value)) onRefused(value);
  return unique.filter((value) => accept(value));
}

/** A later option of the same name replaces the earlier one in its place. */
function mergeOptions(base: readonly string[], added: readonly string[]): string[] {
  const byName = new Map<string, string>();
  for (const option of [...base, ...added]) byName.set(option.split(':', 1)[0] ?? '', option);
  return [...byName.values()];
}

function limitNameservers(nameservers: string[], warnings: string[]): string[] {
  const limit = RESOLV_CONF_LIMITS.nameservers;
  if (nameservers.length > limit) {
    warnings.push(`Only ${limit} nameservers can be used; left out: ${nameservers.slice(limit).join(', ')}`);
  }
  return nameservers.slice(0, limit);
}

function limitSearches(searches: string[], warnings: string[]): string[] {
  const kept: string[] = [];
  let characters = -1;
  for (const domain of searches) {
    if (kept.length === RESOLV_CONF_LIMITS.searches) break;
    characters += domain.length + 1;
    if (characters > RESOLV_CONF_LIMITS.searchCharacters) break;
    kept.push(domain);
  }
  if (kept.length < searches.length) {
    const { searches: count, searchCharacters } = RESOLV_CONF_LIMITS;
    warnings.push(
      `The search list ends at ${count} domains or ${searchCharacters} characters; left out: ` +
        searches.slice(kept.length).join(', '),
    );
  }
  return kept;
}

function printSettings({ nameservers, searches, options }: Settings): string {
  const lines = nameservers.map((address) => `nameserver ${address}`);
  if (searches.length > 0) lines.push(`search ${searches.join(' ')}`);
  if (options.length > 0) lines.push(`options ${options.join(' ')}`);
  return lines.map((line) => `${line}\n`).join('');
}
