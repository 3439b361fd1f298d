import type { Link, Route, Rtnl } from '../kernel/rtnl/rtnl.ts';

/** The device that carries the node's traffic, and how large its packets may be. */
export interface Uplink {
  readonly link: Link;
  /** The device's, or less if its route says so. */
  readonly mtuBytes: number;
}

/** The device with the node's address, else the one of the default route. */
export function findUplink(rtnl: Rtnl, nodeAddresses: readonly string[] = []): Uplink | undefined {
  const withAddress = rtnl.addresses().find(({ address }) => nodeAddresses.includes(address));
  const own = withAddress && rtnl.link(withAddress.link);
  const defaults = defaultRoutes(rtnl);
  if (own && !own.loopback) return uplinkOf(own, defaults);
  const index = defaults[0] && linkOf(defaults[0]);
  const link = index === undefined ? undefined : rtnl.link(index);
  return link && uplinkOf(link, defaults);
}

/** The best first. */
function defaultRoutes(rtnl: Rtnl): Route[] {
  const defaults = rtnl.routes().filter(({ dst }) => dst === '0.0.0.0/0' || dst === '::/0');
  return defaults.toSorted((a, b) => a.family - b.family || a.metric - b.metric);
}

function linkOf({ link, nextHops }: Route): number | undefined {
  return link ?? nextHops[0]?.link;
}

function uplinkOf(link: Link, defaults: readonly Route[]): Uplink {
  const routes = defaults.flatMap((route) =>
    linkOf(route) === link.index ? [route.mtuBytes ?? Infinity] : [],
  );
  return { link, mtuBytes: Math.min(link.mtuBytes, ...routes) };
}

/** What pods take over from the uplink. */
export interface UplinkFacts {
  /** Of what the uplink carries. Ethernet's without an uplink. */
  readonly mtuBytes: number;
  /** The node's addresses: at most one of each IP family. */
  readonly addresses: readonly string[];
}

/** Without an uplink it is looked for again after this long. */
const SEARCH_AGAIN_MS = 1000;

/**
 * Reads what the uplink is like at that moment. Finding it means reading all routes, so which one it is, and what its
 * route allows, stays remembered for as long as it exists.
 */
export function createUplinkReader(rtnl: Rtnl, nodeAddresses: readonly string[] = []): () => UplinkFacts {
  let index: number | undefined;
  let routeMtuBytes = Infinity;
  let searchedMs = -Infinity;
  return () => {
    let uplink = index === undefined ? undefined : rtnl.link(index);
    if (!uplink && performance.now() - searchedMs > SEARCH_AGAIN_MS) {
      const found = findUplink(rtnl, nodeAddresses);
      uplink = found?.link;
      routeMtuBytes = found && found.mtuBytes < found.link.mtuBytes ? found.mtuBytes : Infinity;
      searchedMs = performance.now();
    }
    index = uplink?.index;
    if (!uplink) return { mtuBytes: 1500, addresses: nodeAddresses };
    const addresses = nodeAddresses.length > 0 ? nodeAddresses : addressesOf(rtnl, uplink);
    return { mtuBytes: Math.min(uplink.mtuBytes, routeMtuBytes), addresses };
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
