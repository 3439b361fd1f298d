/** The container's end of an attachment: what is set up there, applied, and checked. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Netns, withNetns } from '../../kernel/netns.ts';
import type { AddressSpec, Route, RouteSpec, Rtnl, RtnlChanges } from '../../kernel/rtnl/rtnl.ts';
import { bits, formatCidr, formatIp, parseCidr, parseIp, tryParseCidr } from '../../model/ip.ts';
import { CniError } from '../spec/error.ts';
import type { CniIp, CniRoute } from '../spec/result.ts';
import { setSysctl, writeSysctlIfAny } from './sysctls.ts';

type WithoutLink<T> = Omit<T, 'link'>;

export interface ContainerEnd {
  readonly ifName: string;
  readonly addresses: readonly WithoutLink<AddressSpec>[];
  /** In the order they are added. */
  readonly routes: readonly WithoutLink<RouteSpec>[];
  /** Whether duplicate address detection runs for IPv6 addresses, and ADD waits for its end. */
  readonly detectDuplicates: boolean;
}

/** The address and the length of its prefix. @throws RangeError */
export function splitAddress(text: string): { readonly address: string; readonly prefixLength: number } {
  const parsed = tryParseCidr(text);
  if (!parsed) throw new RangeError(`${JSON.stringify(text)} is no address with a prefix length`);
  return { address: formatIp(parsed.address), prefixLength: parsed.network.prefixLength };
}

export function familyOf(text: string): 4 | 6 {
  return text.includes(':') ? 6 : 4;
}

/** rtnetlink's numbers; routes of a container's own table have no others. */
const SCOPES = new Map([
  [0, 'universe'],
  [200, 'site'],
  [253, 'link'],
  [254, 'host'],
  [255, 'nowhere'],
] as const);

/**
 * Routes of a result as the kernel takes them: without a gateway of its own a route goes through the first gateway of
 * its family. Several to one destination become one route with several next hops.
 *
 * @throws CniError for a scope that rtnetlink does not have
 */
export function resultRoutes(
  routes: readonly CniRoute[],
  ips: readonly Pick<CniIp, 'address' | 'gateway'>[],
): WithoutLink<RouteSpec>[] {
  const specs = routes.map(({ dst, gw, mtu, advmss, priority, table, scope }) => {
    const family = familyOf(dst);
    const gateway = gw ?? ips.find((ip) => ip.gateway && familyOf(ip.gateway) === family)?.gateway;
    const name = scope === undefined ? undefined : SCOPES.get(scope as 0);
    if (scope !== undefined && !name)
      throw new CniError(`Route ${dst} has the unknown scope ${scope}`, { code: 7 });
    return {
      dst: formatCidr(parseCidr(dst)),
      ...(gateway && (scope === undefined || scope < 253) && { gateway }),
      ...(mtu !== undefined && { mtuBytes: mtu }),
      ...(advmss !== undefined && { advertisedMssBytes: advmss }),
      ...(priority !== undefined && { metric: priority }),
      ...(table !== undefined && { table }),
      ...(name && { scope: name }),
    };
  });
  const byKey = Map.groupBy(specs, ({ dst, metric, table }) => `${dst} ${metric} ${table}`);
  return [...byKey.values()].flatMap((same) => {
    const [first] = same;
    const gateways = [...new Set(same.map(({ gateway }) => gateway))].filter(
      (gateway) => gateway !== undefined,
    );
    if (!first || gateways.length < 2) return first ? [first] : [];
    const { gateway: _, ...rest } = first;
    return [{ ...rest, nextHops: gateways.map((gateway) => ({ gateway })) }];
  });
}

/**
 * Sets the container's interface up. IPv4 addresses come before it is up, so that the kernel announces them; IPv6
 * addresses after it, because they need it.
 */
export async function applyContainerEnd(
  end: ContainerEnd,
  { netns, rtnl, link }: { readonly netns: Netns; readonly rtnl: Rtnl; readonly link: number },
): Promise<void> {
  const { addresses, routes, detectDuplicates } = end;
  const hasIpv6 = addresses.some(({ address }) => familyOf(address) === 6);
  setContainerSysctls(netns, end, hasIpv6);
  const addAddresses = (to: RtnlChanges, family: 4 | 6): void => {
    for (const spec of addresses) {
      if (familyOf(spec.address) !== family) continue;
      to.addAddress({ link, ...spec, ...(family === 6 && { noDad: !detectDuplicates }) });
    }
  };
  const addInterface = (to: RtnlChanges): void => {
    addAddresses(to, 4);
    to.setLink(link, { up: true });
    addAddresses(to, 6);
  };
  const addRoutes = (to: RtnlChanges): void => {
    for (const route of routes)
      to.replaceRoute({
        ...route,
        link,
        ...(route.nextHops && { nextHops: route.nextHops.map((hop) => ({ ...hop, link })) }),
      });
  };
  if (hasIpv6 && detectDuplicates) {
    rtnl.batch(addInterface);
    await duplicatesDetected(rtnl, link);
    rtnl.batch(addRoutes);
    return;
  }
  rtnl.batch((to) => {
    addInterface(to);
    addRoutes(to);
  });
}

function setContainerSysctls(
  netns: Netns,
  { ifName, detectDuplicates }: ContainerEnd,
  hasIpv6: boolean,
): void {
  withNetns(netns, () => {
    // Of an interface that was just made: there is nothing to compare with.
    writeSysctlIfAny(`net/ipv4/conf/${ifName}/arp_notify`, '1');
    if (!hasIpv6) return;
    // Runtimes make namespaces without IPv6 until somebody needs it.
    for (const name of ['lo', ifName]) setSysctl(`net/ipv6/conf/${name}/disable_ipv6`, '0');
    setSysctl(`net/ipv6/conf/${ifName}/ndisc_notify`, '1');
    if (!detectDuplicates) setSysctl(`net/ipv6/conf/${ifName}/accept_dad`, '0');
  });
}

const DAD_TIMEOUT_MS = 10_000;
const DAD_INTERVAL_MS = 25;

/** RFC 4862, section 5.4. */
async function duplicatesDetected(rtnl: Rtnl, link: number): Promise<void> {
  const deadline = performance.now() + DAD_TIMEOUT_MS;
  for (;;) {
    const addresses = rtnl.addresses({ link, family: 6 });
    const failed = addresses.find(({ dadFailed }) => dadFailed);
    if (failed)
      throw new CniError(`Another machine of the network has the address ${failed.address} already`, {
        code: 110,
        details: 'Duplicate address detection (enabledad) found it.',
      });
    if (!addresses.some(({ tentative }) => tentative)) return;
    if (performance.now() > deadline)
      throw new CniError(`Duplicate address detection did not end within ${DAD_TIMEOUT_MS} ms`, { code: 11 });
    await sleep(DAD_INTERVAL_MS);
  }
}

/** The first thing that is not as the end says, in words; undefined when all is well. */
export function findContainerDamage(
  { addresses, routes }: Pick<ContainerEnd, 'addresses' | 'routes'>,
  { rtnl, link }: { readonly rtnl: Rtnl; readonly link: number },
): string | undefined {
  const present = rtnl.addresses({ link });
  for (const { address, prefixLength } of addresses) {
    const canonical = formatIp(parseIp(address));
    const found = present.find((each) => each.address === canonical && each.prefixLength === prefixLength);
    if (!found) return `it lacks the address ${address}/${prefixLength}`;
    if (found.dadFailed) return `address ${address} is in use elsewhere`;
  }
  const tables = new Map<number, readonly Route[]>();
  for (const route of routes) {
    const table = route.table ?? 254;
    const listed = tables.get(table) ?? rtnl.routes({ table });
    tables.set(table, listed);
    if (!listed.some((each) => isRoute(each, route, link))) return `it lacks the route to ${describe(route)}`;
  }
  return undefined;
}

function isRoute(present: Route, wanted: WithoutLink<RouteSpec>, link: number): boolean {
  if (present.dst !== wanted.dst) return false;
  if (wanted.metric !== undefined && present.metric !== wanted.metric) return false;
  if (wanted.nextHops) {
    return wanted.nextHops.every((hop) => present.nextHops.some(({ gateway }) => gateway === hop.gateway));
  }
  return present.link === link && present.gateway === wanted.gateway;
}

function describe({ dst, gateway }: WithoutLink<RouteSpec>): string {
  return gateway === undefined ? dst : `${dst} via ${gateway}`;
}

/** `ADDRESS/32` or `ADDRESS/128`. */
export function hostPrefix(address: string): string {
  const ip = parseIp(address);
  return `${formatIp(ip)}/${bits(ip.family)}`;
}
