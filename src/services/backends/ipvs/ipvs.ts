import { type Ipvs, printKey } from '../../../kernel/ipvs/ipvs.ts';
import { type Netns, withNetns } from '../../../kernel/netns.ts';
import { destroy, type NftCommand } from '../../../kernel/nftables/commands.ts';
import type { Nftables } from '../../../kernel/nftables/nftables.ts';
import { table } from '../../../kernel/nftables/objects.ts';
import type { Rtnl } from '../../../kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../../../kernel/sysctl.ts';
import type { IpFamily } from '../../../model/ip.ts';
import { type NodeFacts, type PlanChange, type PlannedPort, type ServicePlan, frontKey } from '../../plan.ts';
import type { ServiceBackend } from '../backend.ts';
import { HeldServers } from './held-servers.ts';
import { TABLE_NAME, ipvsTable } from './ipvs-table.ts';
import { ServiceAddresses } from './service-addresses.ts';
import { holdsTable } from './table-check.ts';
import { type PlannedFront, type PlannedServer, planFront } from './virtual-servers.ts';

export interface IpvsBackendOptions {
  readonly ipvs: Ipvs;
  readonly nftables: Nftables;
  readonly rtnl: Rtnl;
  /** Whose kernel parameters are set; the calling thread's unless told. */
  readonly netns?: Netns;
  /** How often it is looked whether connections of endpoints that were taken out have ended. */
  readonly drainIntervalMs?: number;
  /** How long connections may take to close, once an endpoint that was taken out has no others. */
  readonly quietMs?: number;
}

/** As kube-proxy sets them (Documentation/networking/ipvs-sysctl.rst of Linux). */
const SYSCTLS = {
  // Connection tracking sees the translation, so that the source can be translated too.
  'net.ipv4.vs.conntrack': 1,
  // UDP to an endpoint that is gone finds another one at once.
  'net.ipv4.vs.expire_nodest_conn': 1,
  // Affinity to an endpoint that takes no more connections ends.
  'net.ipv4.vs.expire_quiescent_template': 1,
} as const;

const FAMILIES: readonly IpFamily[] = [4, 6];

/** The first mark for connections from outside that have endpoints of their own. */
const FIRST_MARK = 0x1_0000;

/**
 * Services in IPVS: a virtual server for each front, its address on the device `kube-ipvs0`, and in table
 * `podnet-ipvs` of nf_tables what IPVS cannot do. Endpoints that are taken out keep their TCP connections.
 */
export function createIpvsBackend(options: IpvsBackendOptions): ServiceBackend {
  return new IpvsBackend(options);
}

class IpvsBackend implements ServiceBackend {
  readonly #options: IpvsBackendOptions;
  readonly #addresses: ServiceAddresses;
  #servers: HeldServers | undefined;
  #node: NodeFacts | undefined;
  readonly #ports = new Map<string, PlannedPort>();
  readonly #fronts = new Map<string, PlannedFront>();
  readonly #marks = new Map<string, number>();
  readonly #tables = new Map<IpFamily, { text: string; commands: readonly NftCommand[] }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: IpvsBackendOptions) {
    this.#options = options;
    this.#addresses = new ServiceAddresses(options.rtnl);
  }

  sync(plan: ServicePlan): void {
    const { netns } = this.#options;
    const setAll = (): void => Object.entries(SYSCTLS).forEach(([name, value]) => writeSysctl(name, value));
    if (netns === undefined) setAll();
    else withNetns(netns, setAll);
    this.#node = plan.node;
    this.#ports.clear();
    this.#fronts.clear();
    this.#tables.clear();
    for (const [key, port] of plan.ports) this.#plan(key, port);
    this.#servers = new HeldServers(this.#options.ipvs, this.#options);
    this.#writeTables();
    this.#servers.replace(this.#wanted());
    this.#bind();
    this.#watchDraining();
  }

  apply({ set, removed, node }: PlanChange): void {
    const servers = this.#servers;
    if (servers === undefined) throw new Error('sync() comes before apply()');
    if (node !== undefined) {
      this.#node = node;
      for (const [key, port] of this.#ports) this.#plan(key, port);
    }
    const touched = new Set<string>();
    const note = (key: string): void => {
      for (const { server } of this.#fronts.get(key)?.servers ?? []) touched.add(printKey(server.key));
    };
    for (const port of [...removed, ...set]) note(frontKey(port));
    for (const port of removed) {
      this.#ports.delete(frontKey(port));
      this.#fronts.delete(frontKey(port));
    }
    for (const port of set) this.#plan(frontKey(port), port);
    for (const port of set) note(frontKey(port));
    // A front that appears needs its rules first; what is refused must be so before its server is gone.
    this.#writeTables();
    const wanted = this.#wanted();
    if (node === undefined) for (const key of touched) servers.set(key, wanted.get(key));
    else servers.replace(wanted);
    this.#bind();
    this.#watchDraining();
  }

  isIntact(): boolean {
    const { nftables } = this.#options;
    return (
      this.#servers?.isIntact() === true &&
      sameSet(this.#addresses.bound(), this.#boundAddresses()) &&
      [...this.#tables.values()].every(({ commands }) => holdsTable(nftables, commands))
    );
  }

  cleanup(): void {
    this.#stop();
    new HeldServers(this.#options.ipvs).clear();
    this.#addresses.remove();
    this.#removeTables();
  }

  retire(): boolean {
    const servers = this.#servers ?? new HeldServers(this.#options.ipvs, this.#options);
    this.#servers = servers;
    clearInterval(this.#timer);
    this.#ports.clear();
    this.#fronts.clear();
    servers.replace(new Map());
    if (servers.isDraining) {
      this.#bind();
      return false;
    }
    this.cleanup();
    return true;
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#servers = undefined;
    this.#ports.clear();
    this.#fronts.clear();
    this.#marks.clear();
    this.#tables.clear();
  }

  #plan(key: string, port: PlannedPort): void {
    this.#ports.set(key, port);
    if (this.#node === undefined) return;
    const markOf = (): number => {
      const mark = this.#marks.get(key) ?? this.#freeMark();
      this.#marks.set(key, mark);
      return mark;
    };
    this.#fronts.set(key, planFront(port, { node: this.#node, markOf }));
  }

  #freeMark(): number {
    const used = new Set(this.#marks.values());
    let mark = FIRST_MARK;
    while (used.has(mark)) mark += 1;
    return mark;
  }

  /** Every virtual server; where a node port is an external address too, that one comes first. */
  #wanted(): Map<string, PlannedServer> {
    const wanted = new Map<string, PlannedServer>();
    const add = (isNodePort: boolean): void => {
      for (const [key, { servers }] of this.#fronts) {
        if ((this.#ports.get(key)?.kind === 'nodePort') !== isNodePort) continue;
        for (const each of servers) {
          const name = printKey(each.server.key);
          if (!wanted.has(name)) wanted.set(name, each);
        }
      }
    };
    add(false);
    add(true);
    return wanted;
  }

  #writeTables(): void {
    const node = this.#node;
    if (node === undefined) return;
    for (const family of FAMILIES) {
      const fronts = [...this.#fronts.values()].flatMap(({ rules }) =>
        rules.filter((each) => each.family === family),
      );
      if (family === 6 && fronts.length === 0 && !this.#tables.has(6)) continue;
      const ports = [...this.#ports.values()].filter((port) => port.family === family);
      const localEndpoints = new Set(
        ports.flatMap(({ inside, outside }) =>
          [...inside.endpoints, ...(outside === inside ? [] : outside.endpoints)]
            .filter(({ source }) => source.nodeName === undefined || source.nodeName === node.name)
            .map(({ address }) => address),
        ),
      );
      const text = JSON.stringify([fronts, [...localEndpoints].sort(), node]);
      if (this.#tables.get(family)?.text === text) continue;
      const commands = ipvsTable(family, fronts, { node, localEndpoints: [...localEndpoints] });
      this.#options.nftables.apply(commands);
      this.#tables.set(family, { text, commands });
    }
  }

  #removeTables(): void {
    const { nftables } = this.#options;
    const names = nftables.tables().filter(({ name }) => name === TABLE_NAME);
    const commands = names.map(({ family }) => destroy(table(family, TABLE_NAME)));
    if (commands.length > 0) nftables.apply(commands);
  }

  /** Of fronts, and of virtual servers that still have connections. */
  #boundAddresses(): ReadonlySet<string> {
    const node = this.#node;
    const bound = new Set<string>();
    for (const { rules } of this.#fronts.values())
      for (const { key, isBound } of rules) if (isBound) bound.add(key[0]);
    for (const key of this.#servers?.keys ?? [])
      if ('address' in key && node?.addresses.includes(key.address) !== true) bound.add(key.address);
    return bound;
  }

  #bind(): void {
    this.#addresses.replace(this.#boundAddresses());
  }

  #watchDraining(): void {
    clearInterval(this.#timer);
    if (this.#servers?.isDraining !== true) return;
    this.#timer = setInterval(() => {
      const servers = this.#servers;
      if (servers === undefined) return;
      servers.drain();
      if (servers.isDraining) return;
      clearInterval(this.#timer);
      this.#bind();
    }, this.#options.drainIntervalMs ?? 1000);
    this.#timer.unref();
  }
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}
