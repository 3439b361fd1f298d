/**
 * `ipMasq`: what leaves a container for anywhere but its own subnet goes out with the node's address. One table for each
 * network, in which a packet costs the same however many containers there are:
 *
 *     postrouting ── containers-4 {address : goto from-SUBNET} ──▶ from-10.1.0.0/24: to 10.1.0.0/24: as it is
 *                    containers-6                                                    to a multicast group: as it is
 *                                                                                    masquerade
 */
import { ip, ip6, meta } from '../../kernel/nftables/expressions.ts';
import {
  type Chain,
  type NftMap,
  type Rule,
  type Table,
  chain,
  map,
  priorities,
  rule,
  table,
} from '../../kernel/nftables/objects.ts';
import { goto, masquerade, match, returnVerdict, vmap } from '../../kernel/nftables/statements.ts';
import { type IpFamily, formatCidr, parseCidr } from '../../model/ip.ts';
import type { TableLayout } from './owned-table.ts';
import type { Fields } from '../spec/json.ts';
import { familyOf, splitAddress } from './container-end.ts';
import { type HeldElement, tableName } from './network-table.ts';

const MULTICAST = { 4: '224.0.0.0/4', 6: 'ff00::/8' } as const satisfies Record<IpFamily, string>;

function masqueradeTable(network: string): Table {
  return table('inet', tableName('podnet-masq', network), {
    comment: `podnet: ipMasq of network ${network}`.slice(0, 127),
  });
}

function containers(owner: Table, family: IpFamily): NftMap {
  const key = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  return map(owner, `containers-${family}`, { key: [key], data: 'verdict' });
}

/** `nft` reads no colons in names. */
function fromChain(owner: Table, subnet: string): Chain {
  return chain(owner, `from-${subnet.replaceAll(':', '_')}`);
}

const subnetOf = (address: string): string => formatCidr(parseCidr(address));

/** With the chains for containers that have these addresses (`ADDRESS/LENGTH`); those of others stay as they are. */
export function masqueradeLayout(network: string, addresses: readonly string[] = []): TableLayout {
  const owner = masqueradeTable(network);
  const postrouting = chain(owner, 'postrouting', {
    base: { type: 'nat', hook: 'postrouting', priority: priorities.srcnat },
  });
  const subnets = [...new Set(addresses.map(subnetOf))];
  return {
    table: owner,
    sets: [containers(owner, 4), containers(owner, 6)],
    chains: [postrouting, ...subnets.map((subnet) => fromChain(owner, subnet))],
    rules: [
      ...([4, 6] as const).map((family) =>
        rule(
          postrouting,
          [
            match(meta.nfproto, '==', family === 4 ? 'ipv4' : 'ipv6'),
            vmap(family === 4 ? ip.saddr : ip6.saddr, containers(owner, family)),
          ],
          { comment: `from a container, IPv${family}` },
        ),
      ),
      ...subnets.flatMap((subnet) => subnetRules(fromChain(owner, subnet), subnet)),
    ],
    ownedChains: [],
  };
}

function subnetRules(of: Chain, subnet: string): Rule[] {
  const family = familyOf(subnet);
  const isFamily = match(meta.nfproto, '==', family === 4 ? 'ipv4' : 'ipv6');
  const { daddr } = family === 4 ? ip : ip6;
  return [
    rule(of, [isFamily, match(daddr, '==', subnet), returnVerdict], { comment: 'inside the subnet' }),
    rule(of, [isFamily, match(daddr, '==', MULTICAST[family]), returnVerdict], { comment: 'to a group' }),
    rule(of, [masquerade({ fullyRandom: true })], { comment: 'to anywhere else' }),
  ];
}

/** What a container with these addresses needs in the table of its network. */
export function masqueradeElements(network: string, addresses: readonly string[]): readonly HeldElement[] {
  const owner = masqueradeTable(network);
  return addresses.map((text) => ({
    set: containers(owner, familyOf(text)),
    element: { key: [splitAddress(text).address], value: goto(fromChain(owner, subnetOf(text))) },
  }));
}

/** podnet masquerades by nftables whichever backend is named. */
export function checkMasqueradeBackend(fields: Fields): void {
  const backend = fields.string('ipMasqBackend');
  if (backend && backend !== 'iptables' && backend !== 'nftables')
    throw fields.error('ipMasqBackend', 'iptables or nftables');
}
