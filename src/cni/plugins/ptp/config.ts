/** The configuration of ptp, as the plugin of that name of containernetworking reads it. */
import { checkMasqueradeBackend } from '../../attachment/masquerade.ts';
import { ipamType } from '../../attachment/ipam.ts';
import { parseMtu } from '../../attachment/mtu.ts';
import type { NetworkConfig } from '../../spec/config.ts';
import { fieldsOf } from '../../spec/json.ts';

export interface PtpConfig {
  readonly network: string;
  readonly ipMasq: boolean;
  readonly mtuBytes: number | undefined;
}

/** @throws CniError (invalid configuration), naming the key */
export function parsePtpConfig(network: NetworkConfig): PtpConfig {
  const fields = fieldsOf(network.raw);
  if (ipamType(network) === undefined)
    throw fields.error('ipam', 'an object with the type of an IPAM plugin: ptp needs addresses');
  checkMasqueradeBackend(fields);
  return {
    network: network.name,
    ipMasq: fields.boolean('ipMasq') ?? false,
    mtuBytes: parseMtu(fields),
  };
}
