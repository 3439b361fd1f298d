import { formatCidr, tryParseCidr } from '../../../model/ip.ts';
import type { NetworkConfig } from '../../spec/config.ts';
import { type Fields, fieldsOf } from '../../spec/json.ts';
import { type Bandwidth, parseBandwidth } from '../../spec/runtime-config.ts';
import type { ShapedSubnets } from './plan.ts';

export interface BandwidthConfig {
  readonly bandwidth: Bandwidth;
  readonly subnets: ShapedSubnets;
}

/** The standard plugin's keys. Limits in the configuration itself go before those of the runtime. */
export function parseBandwidthConfig(network: NetworkConfig): BandwidthConfig {
  const fields = fieldsOf(network.raw);
  const own = parseBandwidth(fields);
  const bandwidth = Object.keys(own).length > 0 ? own : (network.runtimeConfig?.bandwidth ?? {});
  const shaped = parseSubnets(fields, 'shapedSubnets');
  const unshaped = parseSubnets(fields, 'unshapedSubnets');
  if (shaped.length > 0 && unshaped.length > 0) {
    throw fields.error('unshapedSubnets', 'absent when there is shapedSubnets');
  }
  return { bandwidth, subnets: { shaped, unshaped } };
}

function parseSubnets(fields: Fields, key: string): string[] {
  return (fields.strings(key) ?? []).map((text) => {
    const network = tryParseCidr(text)?.network;
    if (!network) throw fields.error(key, 'a list of CIDRs');
    return formatCidr(network);
  });
}
