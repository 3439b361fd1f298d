import type { Match } from '../../../kernel/nftables/statements.ts';
import type { IpFamily } from '../../../model/ip.ts';
import type { NetworkConfig } from '../../spec/config.ts';
import { fieldsOf } from '../../spec/json.ts';
import type { PortMapping } from '../../spec/runtime-config.ts';
import { parseConditions } from './conditions.ts';
import type { Masquerading } from './mappings.ts';

export interface PortmapConfig {
  readonly mappings: readonly PortMapping[];
  readonly masquerading: Masquerading;
  readonly conditions: Readonly<Record<IpFamily, readonly Match[]>>;
}

/** The standard plugin's keys. @throws CniError (invalid configuration), naming the key */
export function parsePortmapConfig(network: NetworkConfig): PortmapConfig {
  const fields = fieldsOf(network.raw);
  const backend = fields.string('backend');
  // Either way the rules are nf_tables'; what iptables would do with them is the same.
  if (backend && backend !== 'iptables' && backend !== 'nftables')
    throw fields.error('backend', 'nftables or iptables');
  checkMarking(fields);
  const snat = fields.boolean('snat') ?? true;
  const masqAll = fields.boolean('masqAll') ?? false;
  const conditions = (key: string, family: IpFamily): Match[] =>
    parseConditions(fields.strings(key) ?? [], { family, key });
  return {
    mappings: network.runtimeConfig?.portMappings ?? [],
    masquerading: snat ? (masqAll ? 'all' : 'needed') : 'none',
    conditions: { 4: conditions('conditionsV4', 4), 6: conditions('conditionsV6', 6) },
  };
}

/**
 * The standard plugin marks packets for a later chain that masquerades, its own or another's. Here the table itself
 * knows which packets to masquerade, so both keys are read and have nothing to do.
 */
function checkMarking(fields: ReturnType<typeof fieldsOf>): void {
  const chain = fields.string('externalSetMarkChain');
  const bit = fields.integer('markMasqBit', { max: 31 });
  if (chain && bit !== undefined) {
    throw fields.error('externalSetMarkChain', 'absent when there is markMasqBit');
  }
}
