import { isErrno } from '../kernel/ffi.ts';
import type { Route, Rtnl } from '../kernel/rtnl/rtnl.ts';
import { PodnetError, errorMessage } from '../model/errors.ts';
import { tryParseCidr } from '../model/ip.ts';
import { type PlannedRoute, type RoutePlan, printReason, printRoute } from './plan.ts';

/** rtm_protocol of the fabric's routes: what has this number belongs to the plan, and nothing else is deleted. */
export const FABRIC_ROUTE_PROTOCOL = 90;

export interface AppliedRoutes {
  /** In the words of ip-route(8). */
  readonly replaced: readonly string[];
  readonly deleted: readonly string[];
  /** Links the routes leave by. */
  readonly links: ReadonlySet<number>;
  /** Routes the kernel refused; the others are in place. */
  readonly errors: readonly PodnetError[];
}

/**
 * Makes the main table's routes equal to the plan: adds and repairs what differs, deletes what the plan no longer has.
 * The plan's destinations are the fabric's, whoever else put a route there; other routes are left alone.
 */
export function applyRoutes(rtnl: Rtnl, plan: RoutePlan): AppliedRoutes {
  const wanted = new Map(plan.routes.map((route) => [route.dst, route]));
  const inPlace = new Set<string>();
  const links = new Set<number>();
  const deleted: string[] = [];
  for (const route of rtnl.routes()) {
    const planned = wanted.get(route.dst);
    if (planned && isSame(route, planned)) {
      inPlace.add(route.dst);
      if (route.link !== undefined) links.add(route.link);
    } else if (!planned && route.protocol === FABRIC_ROUTE_PROTOCOL) {
      ignoreMissing(() => rtnl.deleteRoute(keyOf(route)));
      deleted.push(route.dst);
    }
  }
  const replaced: string[] = [];
  const errors: PodnetError[] = [];
  for (const route of plan.routes) {
    if (inPlace.has(route.dst)) continue;
    try {
      replaceRoute(rtnl, route);
      replaced.push(printRoute(route));
    } catch (error) {
      errors.push(refusal(route, error));
    }
  }
  for (const { link } of replaced.length > 0 ? rtnl.routes({ protocol: FABRIC_ROUTE_PROTOCOL }) : []) {
    if (link !== undefined) links.add(link);
  }
  return { replaced, deleted, links, errors };
}

function isSame(route: Route, planned: PlannedRoute): boolean {
  return (
    route.protocol === FABRIC_ROUTE_PROTOCOL &&
    route.type === planned.type &&
    route.gateway === planned.gateway &&
    route.metric === defaultMetric(route.dst)
  );
}

/** The kernel writes 1024 into IPv6 routes that name no metric. */
function defaultMetric(dst: string): number {
  return tryParseCidr(dst)?.network.family === 6 ? 1024 : 0;
}

function replaceRoute(rtnl: Rtnl, { dst, type, gateway }: PlannedRoute): void {
  const spec = { dst, type, protocol: FABRIC_ROUTE_PROTOCOL, metric: defaultMetric(dst) };
  rtnl.replaceRoute(gateway === undefined ? spec : { ...spec, gateway });
}

function keyOf({ dst, type, metric, protocol }: Route): Parameters<Rtnl['deleteRoute']>[0] {
  return { dst, type, metric, protocol };
}

/** Deletes every route of the fabric. */
export function removeRoutes(rtnl: Rtnl): void {
  for (const route of rtnl.routes({ protocol: FABRIC_ROUTE_PROTOCOL })) {
    ignoreMissing(() => rtnl.deleteRoute(keyOf(route)));
  }
}

function refusal(route: PlannedRoute, cause: unknown): PodnetError {
  const where = printReason(route.reason);
  if (route.gateway !== undefined && isErrno(cause, 'ENETUNREACH', 'EHOSTUNREACH', 'EINVAL')) {
    return new PodnetError(`No way to ${route.dst}: ${route.gateway} is not on a network of this node`, {
      code: 'node-not-adjacent',
      where,
      fix: 'Host routes need all nodes on one network. Check that this node’s uplink is up and its address is right.',
      cause,
    });
  }
  return new PodnetError(`Cannot set the route ${printRoute(route)}: ${errorMessage(cause)}`, {
    code: 'route-refused',
    where,
    fix: 'Look with ip route on this node for what stands in the way; it is tried again by itself.',
    cause,
  });
}

function ignoreMissing(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!isErrno(error, 'ESRCH', 'ENOENT', 'ENODEV')) throw error;
  }
}
