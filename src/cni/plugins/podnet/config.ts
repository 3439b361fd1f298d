/** The configuration of podnet's own plugin. */
import { formatCidr, tryParseCidr, tryParseIp, formatIp } from '../../../model/ip.ts';
import { ipamType } from '../../attachment/ipam.ts';
import { type LinkMode, linkModes } from '../../pod-network.ts';
import type { NetworkConfig } from '../../spec/config.ts';
import { fieldsOf } from '../../spec/json.ts';

export interface PodnetConfig {
  readonly network: string;
  /** `routed` unless told. */
  readonly linkMode: LinkMode;
  /** One of each IP family at most; none when an agent or another IPAM plugin has them. */
  readonly podCidrs: readonly string[];
  readonly mtuBytes: number | undefined;
  /** Where the addresses are kept, in a file named after the network. */
  readonly dataDir: string;
  /** Another IPAM plugin, which is asked instead. */
  readonly ipam: string | undefined;
  /** Wanted addresses, without prefix length. */
  readonly wanted: readonly string[];
  /** Of the pod's interface. */
  readonly mac: string | undefined;
}

export const DEFAULT_DATA_DIR = '/var/lib/podnet/cni/networks';

/** @throws CniError (invalid configuration), naming the key */
export function parsePodnetConfig(network: NetworkConfig): PodnetConfig {
  const fields = fieldsOf(network.raw);
  const text = fields.string('linkMode') ?? 'routed';
  const linkMode = linkModes.find((mode) => mode === text);
  if (!linkMode) throw fields.error('linkMode', linkModes.join(' or '));
  const dataDir = fields.string('dataDir') ?? DEFAULT_DATA_DIR;
  if (!dataDir.startsWith('/') || dataDir.includes('\0')) throw fields.error('dataDir', 'an absolute path');
  const single = fields.string('podCIDR');
  const key = single === undefined ? 'podCIDRs' : 'podCIDR';
  const podCidrs = (single === undefined ? (fields.strings('podCIDRs') ?? []) : single.split(',')).map(
    (cidr) => {
      const parsed = tryParseCidr(cidr.trim())?.network;
      if (!parsed) throw fields.error(key, 'a CIDR, or one of each IP family');
      return parsed;
    },
  );
  if (new Set(podCidrs.map(({ family }) => family)).size < podCidrs.length)
    throw fields.error(key, 'one CIDR of each IP family');
  const { ips = [], mac } = network.runtimeConfig ?? {};
  return {
    network: network.name,
    linkMode,
    podCidrs: podCidrs.map(formatCidr),
    mtuBytes: fields.integer('mtu', { min: 576, max: 65_535 }),
    dataDir,
    ipam: ipamType(network),
    wanted: ips.map(withoutPrefix),
    mac: mac?.toLowerCase(),
  };
}

/** `10.244.1.5/24` or `10.244.1.5`, as the `ips` capability has them. */
export function withoutPrefix(text: string): string {
  const ip = tryParseCidr(text)?.address ?? tryParseIp(text);
  return ip ? formatIp(ip) : text;
}
