import { type Ip, cidrContains, parseCidr, parseIp } from '../../model/ip.ts';
import { PROTOCOL, TABLE, encodePrefix } from './names.ts';
import { describeRoute } from './route-codec.ts';
import { refuse } from './refuse.ts';
import type * as rtnl from './rtnl.ts';

/** What the routes of a namespace ask its links. */
export interface RouteLinks {
  /** Throws ENODEV for a link that does not exist. */
  find(ref: rtnl.LinkRef, request: string): { readonly index: number; readonly up: boolean };
  addresses(): readonly rtnl.Address[];
}

/** The routes of one fake namespace, with the kernel's rules of who may be a gateway. */
export class FakeRoutes {
  readonly #links: RouteLinks;
  #routes: rtnl.Route[] = [];

  constructor(links: RouteLinks) {
    this.#links = links;
  }

  list(filter: { table?: number | 'all'; family?: 4 | 6; protocol?: number } = {}): rtnl.Route[] {
    const { table = TABLE.main, family, protocol } = filter;
    return this.#routes.filter(
      (each) =>
        (table === 'all' || each.table === table) &&
        (family === undefined || each.family === family) &&
        (protocol === undefined || each.protocol === protocol),
    );
  }

  /** The link went down: its routes go with it. */
  forget(link: number): void {
    this.#routes = this.#routes.filter((each) => each.link !== link);
  }

  replace(spec: rtnl.RouteSpec): rtnl.Route {
    const request = `replace route ${describeRoute(spec)}`;
    const { family } = encodePrefix(spec.dst);
    const type = spec.type ?? 'unicast';
    const link = this.#routeLink(spec, request);
    if (link !== undefined && !this.#links.find(link, request).up) throw refuse('ENETDOWN', request);
    const local = type === 'local';
    const route: rtnl.Route = {
      family,
      type,
      dst: spec.dst,
      gateway: spec.gateway,
      link,
      source: spec.source,
      scope: family === 6 ? 'universe' : (spec.scope ?? defaultScope(spec)),
      table: spec.table ?? (local ? TABLE.local : TABLE.main),
      protocol: spec.protocol ?? PROTOCOL.static,
      metric: spec.metric ?? (family === 6 ? 1024 : 0),
      onlink: spec.onlink ?? false,
      mtuBytes: spec.mtuBytes,
      advertisedMssBytes: spec.advertisedMssBytes,
      nextHops: (spec.nextHops ?? []).map((hop) => {
        const index =
          hop.link === undefined ? this.#routeLink(hop, request) : this.#links.find(hop.link, request).index;
        return Object.assign({}, hop, { link: index ?? 0 });
      }),
    };
    this.#routes = this.#routes.filter((each) => !isSameRoute(each, route));
    this.#routes.push(route);
    return route;
  }

  /** The link a route leaves by: the one it names, or the one whose subnet has its gateway. */
  #routeLink(spec: Pick<rtnl.RouteSpec, 'link' | 'gateway' | 'onlink'>, request: string): number | undefined {
    const named = spec.link === undefined ? undefined : this.#links.find(spec.link, request).index;
    if (spec.gateway === undefined || spec.onlink) return named;
    const gateway = parseIp(spec.gateway);
    if (gateway.family === 6 && gateway.value >> 118n === 0x3fan) return named; // fe80::/10
    const onSubnet = this.#links
      .addresses()
      .find(
        ({ address, prefixLength, link }) =>
          this.#links.find(link, request).up &&
          cidrContains(parseCidr(`${address}/${prefixLength}`), gateway),
      );
    const byRoute = onSubnet ? undefined : this.lookup(gateway);
    const reached = onSubnet?.link ?? (byRoute?.gateway === undefined ? byRoute?.link : undefined);
    if (reached === undefined || (named !== undefined && named !== reached))
      throw refuse('ENETUNREACH', request);
    return reached;
  }

  delete(spec: rtnl.RouteSpec): rtnl.Route {
    const request = `delete route ${describeRoute(spec)}`;
    const found = this.#routes.find(
      (each) =>
        each.dst === spec.dst &&
        each.table === (spec.table ?? TABLE.main) &&
        (spec.metric === undefined || each.metric === spec.metric) &&
        (spec.protocol === undefined || each.protocol === spec.protocol) &&
        (spec.type === undefined || each.type === spec.type) &&
        (spec.gateway === undefined || each.gateway === spec.gateway),
    );
    if (!found) throw refuse('ESRCH', request);
    this.#routes = this.#routes.filter((each) => each !== found);
    return found;
  }

  /** By longest prefix and lowest metric in the main table. */
  lookup(ip: Ip): rtnl.Route | undefined {
    const length = ({ dst }: rtnl.Route): number => parseCidr(dst).prefixLength;
    return this.list({ family: ip.family })
      .filter(({ dst }) => cidrContains(parseCidr(dst), ip))
      .toSorted((a, b) => length(b) - length(a) || a.metric - b.metric)[0];
  }
}

function isSameRoute(a: rtnl.Route, b: rtnl.Route): boolean {
  return a.dst === b.dst && a.table === b.table && a.metric === b.metric;
}

function defaultScope({ type = 'unicast', gateway, nextHops }: rtnl.RouteSpec): rtnl.Scope {
  if (type === 'local') return 'host';
  return type === 'unicast' && gateway === undefined && nextHops === undefined ? 'link' : 'universe';
}
