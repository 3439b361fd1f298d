/**
 * `macspoofchk`: a container's frames must come from its own MAC address. One table for each network, in the bridge
 * family, so that frames to other containers pass it too.
 */
import { concat, ether, meta } from '../../../kernel/nftables/expressions.ts';
import { type Table, chain, rule, set, table } from '../../../kernel/nftables/objects.ts';
import { drop, match } from '../../../kernel/nftables/statements.ts';
import { type HeldElement, tableName } from '../../attachment/network-table.ts';
import type { TableLayout } from '../../attachment/owned-table.ts';

/** NF_BR_PRI_NAT_DST_BRIDGED of linux/netfilter_bridge.h: before anything looks at the frame. */
const PRIORITY = -300;

function spoofingTable(network: string): Table {
  return table('bridge', tableName('podnet-macspoof', network), {
    comment: `podnet: macspoofchk of network ${network}`.slice(0, 127),
  });
}

function sets(owner: Table) {
  return {
    ports: set(owner, 'ports', { key: ['ifname'] }),
    addresses: set(owner, 'addresses', { key: ['ifname', 'ether_addr'] }),
  };
}

export function macSpoofingLayout(network: string): TableLayout {
  const owner = spoofingTable(network);
  const { ports, addresses } = sets(owner);
  const prerouting = chain(owner, 'prerouting', {
    base: { type: 'filter', hook: 'prerouting', priority: PRIORITY },
  });
  return {
    table: owner,
    sets: [ports, addresses],
    chains: [prerouting],
    rules: [
      rule(
        prerouting,
        [
          match(meta.iifname, 'in', ports),
          match(concat(meta.iifname, ether.saddr), 'not in', addresses),
          drop,
        ],
        { comment: 'from another MAC address than the container’s' },
      ),
    ],
    ownedChains: [],
  };
}

export function macSpoofingElements(network: string, port: string, mac: string): readonly HeldElement[] {
  const { ports, addresses } = sets(spoofingTable(network));
  return [
    { set: ports, element: { key: [port] } },
    { set: addresses, element: { key: [port, mac] } },
  ];
}
