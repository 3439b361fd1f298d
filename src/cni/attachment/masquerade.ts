/**
 * `ipMasq`: what leaves a container for anywhere but its own subnet goes out with the node's address. One table for each
 * network, in which a packet costs the same however many containers there are:
 *
 *     postrouting: from a container and to its own subnet (own-4, own-6) or to a multicast group: as it is
 *                  from a container (containers-4, containers-6): masquerade
 */
import { concat, ip, ip6, meta } from '../../kernel/nftables/expressions.ts';
import { type Rule, type Table, chain, priorities, rule, set, table } from '../../kernel/nftables/objects.ts';
import { masquerade, match, returnVerdict } from '../../kernel/nftables/statements.ts';
import { type IpFamily, formatCidr, parseCidr } from '../../model/ip.ts';
import type { TableLayout } from '../plugins/chained/owned-table.ts';
import { familyOf, splitAddress } from './container-end.ts';
import type { Fields } from '../spec/json.ts';
import { type HeldElement, tableName } from './network-table.ts';

const MULTICAST = { 4: '224.0.0.0/4', 6: 'ff00::/8' } as const satisfies Record<IpFamily, string>;

function sets(owner: Table, family: IpFamily) {
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  return {
    containers: set(owner, `containers-${family}`, { key: [address] }),
    own: set(owner, `own-${family}`, { key: [address, address], flags: ['interval'] }),
  };
}

function masqueradeTable(network: string): Table {
  return table('inet', tableName('podnet-masq', network), {
    comment: `podnet: ipMasq of network ${network}`.slice(0, 127),
  });
}

export function masqueradeLayout(network: string): TableLayout {
  const owner = masqueradeTable(network);
  const postrouting = chain(owner, 'postrouting', {
    base: { type: 'nat', hook: 'postrouting', priority: priorities.srcnat },
  });
  const rules = (family: IpFamily): Rule[] => {
    const { containers, own } = sets(owner, family);
    const { saddr, daddr } = family === 4 ? ip : ip6;
    const isFamily = match(meta.nfproto, '==', family === 4 ? 'ipv4' : 'ipv6');
    return [
      rule(postrouting, [isFamily, match(concat(saddr, daddr), 'in', own), returnVerdict], {
        comment: `inside the subnet, IPv${family}`,
      }),
      rule(
        postrouting,
        [isFamily, match(saddr, 'in', containers), match(daddr, '!=', MULTICAST[family]), masquerade()],
        { comment: `to anywhere else, IPv${family}` },
      ),
    ];
  };
  return {
    table: owner,
    sets: [4, 6].flatMap((family) => Object.values(sets(owner, family === 4 ? 4 : 6))),
    chains: [postrouting],
    rules: [...rules(4), ...rules(6)],
    ownedChains: [],
  };
}

/** What a container with these addresses (`ADDRESS/LENGTH`) needs in the table of its network. */
export function masqueradeElements(network: string, addresses: readonly string[]): readonly HeldElement[] {
  const owner = masqueradeTable(network);
  return addresses.flatMap((text) => {
    const { containers, own } = sets(owner, familyOf(text));
    const { address } = splitAddress(text);
    return [
      { set: containers, element: { key: [address] } },
      { set: own, element: { key: [address, formatCidr(parseCidr(text))] } },
    ];
  });
}

/** podnet masquerades by nftables whichever backend is named. */
export function checkMasqueradeBackend(fields: Fields): void {
  const backend = fields.string('ipMasqBackend');
  if (backend && backend !== 'iptables' && backend !== 'nftables')
    throw fields.error('ipMasqBackend', 'iptables or nftables');
}
