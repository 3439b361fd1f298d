import type { Link, Rtnl } from '../kernel/rtnl/rtnl.ts';

/** The device that carries the node's traffic: the one with the node's address, else the one of the default route. */
export function findUplink(rtnl: Rtnl, nodeAddresses: readonly string[] = []): Link | undefined {
  const withAddress = rtnl.addresses().find(({ address }) => nodeAddresses.includes(address));
  if (withAddress) {
    const link = rtnl.link(withAddress.link);
    if (link && !link.loopback) return link;
  }
  const defaults = rtnl.routes().filter(({ dst }) => dst === '0.0.0.0/0' || dst === '::/0');
  const best = defaults.toSorted((a, b) => a.family - b.family || a.metric - b.metric)[0];
  const index = best?.link ?? best?.nextHops[0]?.link;
  return index === undefined ? undefined : rtnl.link(index);
}

/** What pods take over from the uplink. */
export interface UplinkFacts {
  /** Of pods around whose packets nothing is put. Ethernet's without an uplink. */
  readonly mtuBytes: number;
  /** The node's addresses: at most one of each IP family. */
  readonly addresses: readonly string[];
}

/** Without an uplink it is looked for again after this long. */
const SEARCH_AGAIN_MS = 1000;

/**
 * Reads what the uplink is like at that moment. Finding it means reading all routes, so which one it is stays
 * remembered for as long as it exists.
 */
export function createUplinkReader(rtnl: Rtnl, nodeAddresses: readonly string[] = []): () => UplinkFacts {
  let index: number | undefined;
  let searchedMs = -Infinity;
  return () => {
    let uplink = index === undefined ? undefined : rtnl.link(index);
    if (!uplink && performance.now() - searchedMs > SEARCH_AGAIN_MS) {
      uplink = findUplink(rtnl, nodeAddresses);
      searchedMs = performance.now();
    }
    index = uplink?.index;
    if (!uplink) return { mtuBytes: 1500, addresses: nodeAddresses };
    const addresses = nodeAddresses.length > 0 ? nodeAddresses : addressesOf(rtnl, uplink);
    return { mtuBytes: uplink.mtuBytes, addresses };
  };
}

/** The first address of each family that others can answer to. */
function addressesOf(rtnl: Rtnl, { index }: Link): string[] {
  const reachable = rtnl.addresses({ link: index }).filter(({ scope }) => scope === 'universe');
  return ([4, 6] as const).flatMap((family) => {
    const first = reachable.find((each) => each.family === family);
    return first ? [first.address] : [];
  });
}
