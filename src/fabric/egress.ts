import type { NftCommand } from '../kernel/nftables/commands.ts';
import { add, destroy } from '../kernel/nftables/commands.ts';
import { ip, ip6 } from '../kernel/nftables/expressions.ts';
import { type Table, chain, elements, priorities, rule, set, table } from '../kernel/nftables/objects.ts';
import { masquerade, match } from '../kernel/nftables/statements.ts';
import type { Nftables } from '../kernel/nftables/nftables.ts';
import { type IpFamily, tryParseCidr, tryParseIp } from '../model/ip.ts';
import { type EgressPlan, MULTICAST } from './plan.ts';

/** The fabric's tables, one of each IP family. */
export const EGRESS_TABLES = {
  4: table('ip', 'podnet-fabric', { comment: 'podnet: egress of this node’s pods' }),
  6: table('ip6', 'podnet-fabric', { comment: 'podnet: egress of this node’s pods' }),
} as const satisfies Record<IpFamily, Table>;

/**
 * The batch that makes the fabric's tables equal to the plan, whatever was there before: what leaves this node's pods
 * for anywhere but pods and nodes goes out with the node's address.
 */
export function egressRules(plan: EgressPlan): NftCommand[] {
  const commands: NftCommand[] = [];
  for (const family of FAMILIES) {
    const pods = cidrsOf(plan.podCidrs, family);
    commands.push(destroy(EGRESS_TABLES[family]));
    if (pods.length > 0) commands.push(...familyRules(family, pods, plan));
  }
  return commands;
}

/** Whether the kernel still has the rules; somebody may have deleted them. */
export function egressInPlace(nftables: Nftables, plan: EgressPlan): boolean {
  const tables = new Set(nftables.tables().map(({ family, name }) => `${family} ${name}`));
  return FAMILIES.every((family) => {
    const owner = EGRESS_TABLES[family];
    const wanted = cidrsOf(plan.podCidrs, family).length;
    const exists = tables.has(`${owner.family} ${owner.name}`);
    return wanted > 0 ? exists && nftables.rules(owner).length === wanted : !exists;
  });
}

const FAMILIES = [4, 6] as const;

function cidrsOf(cidrs: readonly string[], family: IpFamily): string[] {
  return cidrs.filter((cidr) => tryParseCidr(cidr)?.network.family === family);
}

function familyRules(family: IpFamily, podCidrs: readonly string[], plan: EgressPlan): NftCommand[] {
  const owner = EGRESS_TABLES[family];
  const { saddr, daddr } = family === 4 ? ip : ip6;
  const inCluster = cidrsOf(plan.clusterCidrs, family);
  const nodes = set(owner, 'nodes', {
    key: [family === 4 ? 'ipv4_addr' : 'ipv6_addr'],
    comment: 'they know the way back to the pods',
  });
  const addresses = plan.nodeAddresses.filter((address) => tryParseIp(address)?.family === family);
  const postrouting = chain(owner, 'postrouting', {
    base: { type: 'nat', hook: 'postrouting', priority: priorities.srcnat },
  });
  const commands = [add(owner), add(nodes), add(postrouting)];
  if (addresses.length > 0) {
    commands.push(
      add(
        elements(
          nodes,
          [...new Set(addresses)].map((address) => ({ key: [address] })),
        ),
      ),
    );
  }
  for (const podCidr of podCidrs) {
    commands.push(
      add(
        rule(postrouting, [
          match(saddr, '==', podCidr),
          ...[...inCluster, MULTICAST[family]].map((cidr) => match(daddr, '!=', cidr)),
          match(daddr, 'not in', nodes),
          masquerade({ fullyRandom: true }),
        ]),
      ),
    );
  }
  return commands;
}

/** Deletes the fabric's tables. */
export function removeEgress(nftables: Nftables): void {
  nftables.apply(Object.values(EGRESS_TABLES).map((owner) => destroy(owner)));
}
