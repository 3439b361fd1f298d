import {
  type Ipvs,
  type IpvsCommand,
  type RealServer,
  type VirtualServer,
  type VirtualServerKey,
  at,
  printKey,
} from '../../../kernel/ipvs/ipvs.ts';
import type { PlannedServer } from './virtual-servers.ts';

interface HeldServer {
  server: VirtualServer;
  readonly reals: Map<string, RealServer>;
}

/** What IPVS holds, and how it gets from there to what it should: without taking a connection from anybody. */
export class HeldServers {
  readonly #ipvs: Ipvs;
  readonly #held = new Map<string, HeldServer>();
  readonly #wanted = new Map<string, PlannedServer>();
  readonly #quietMs: number;
  /** Virtual servers that hold more than is wanted, until the connections of that have ended. */
  readonly #draining = new Set<string>();
  /** Since when a real server that is not wanted has had connections that are closing only. */
  readonly #closingSince = new Map<string, number>();

  /** Reads what IPVS holds now. Connections that are closing are given `quietMs` before they count for nothing. */
  constructor(ipvs: Ipvs, { quietMs = 5000 }: { readonly quietMs?: number } = {}) {
    this.#ipvs = ipvs;
    this.#quietMs = quietMs;
    for (const server of ipvs.servers()) {
      const reals = ipvs
        .realServers(server.key)
        .map(({ address, port, weight }) => ({ address, port, weight }));
      this.#held.set(printKey(server.key), { server, reals: new Map(reals.map((real) => [at(real), real])) });
    }
  }

  get keys(): VirtualServerKey[] {
    return [...this.#held.values()].map(({ server }) => server.key);
  }

  get isDraining(): boolean {
    return this.#draining.size > 0;
  }

  /** Makes `wanted` the virtual server of its key; undefined: none. */
  set(key: string, wanted: PlannedServer | undefined): void {
    if (wanted === undefined) this.#wanted.delete(key);
    else this.#wanted.set(key, wanted);
    this.#ipvs.apply(this.#commands(key));
  }

  /** Makes `wanted` all there is. */
  replace(wanted: ReadonlyMap<string, PlannedServer>): void {
    this.#wanted.clear();
    for (const [key, server] of wanted) this.#wanted.set(key, server);
    const keys = new Set([...this.#held.keys(), ...wanted.keys()]);
    this.#ipvs.apply([...keys].flatMap((key) => this.#commands(key)));
  }

  /** Removes what was kept for connections that have ended since. */
  drain(): void {
    this.#ipvs.apply([...this.#draining].flatMap((key) => this.#commands(key)));
  }

  /** Removes everything, whoever still uses it. */
  clear(): void {
    const commands = [...this.#held.values()].map(
      ({ server }) => ({ verb: 'delete', key: server.key }) as const,
    );
    this.#held.clear();
    this.#draining.clear();
    this.#ipvs.apply(commands);
  }

  /** Whether IPVS holds what it was left with. */
  isIntact(): boolean {
    const servers = this.#ipvs.servers();
    return (
      servers.length === this.#held.size &&
      servers.every((server) => {
        const held = this.#held.get(printKey(server.key));
        if (held === undefined || !sameProperties(server, held.server)) return false;
        const reals = this.#ipvs.realServers(server.key);
        return (
          reals.length === held.reals.size &&
          reals.every((real) => held.reals.get(at(real))?.weight === real.weight)
        );
      })
    );
  }

  #commands(key: string): IpvsCommand[] {
    const wanted = this.#wanted.get(key);
    let held = this.#held.get(key);
    const commands: IpvsCommand[] = [];
    if (held === undefined) {
      if (wanted === undefined) return [];
      held = { server: wanted.server, reals: new Map() };
      this.#held.set(key, held);
      commands.push({ verb: 'add', server: wanted.server });
    } else if (wanted !== undefined && !sameProperties(held.server, wanted.server)) {
      held.server = wanted.server;
      commands.push({ verb: 'set', server: wanted.server });
    }
    const id = held.server.key;
    const left = new Map(held.reals);
    for (const real of wanted?.reals ?? []) {
      const where = at(real);
      left.delete(where);
      const before = held.reals.get(where);
      if (before?.weight === real.weight) continue;
      commands.push({ verb: before === undefined ? 'add' : 'set', key: id, real });
      held.reals.set(where, real);
    }
    const busy = left.size > 0 ? this.#busy(id) : new Set<string>();
    for (const [where, real] of left) {
      if (!busy.has(where)) {
        commands.push({ verb: 'delete', key: id, real });
        held.reals.delete(where);
      } else if (real.weight > 0) {
        const quiet = { ...real, weight: 0 };
        commands.push({ verb: 'set', key: id, real: quiet });
        held.reals.set(where, quiet);
      }
    }
    if (busy.size > 0 && [...left.keys()].some((where) => busy.has(where))) this.#draining.add(key);
    else this.#draining.delete(key);
    if (wanted === undefined && held.reals.size === 0) {
      commands.push({ verb: 'delete', key: id });
      this.#held.delete(key);
    }
    return commands;
  }

  /** The real servers with connections that a removal would break. Those of UDP are better off elsewhere. */
  #busy(key: VirtualServerKey): ReadonlySet<string> {
    const busy = new Set<string>();
    if ('protocol' in key && key.protocol === 'udp') return busy;
    for (const real of this.#ipvs.realServers(key)) {
      const id = `${printKey(key)} ${at(real)}`;
      if (real.activeConnections > 0) {
        this.#closingSince.delete(id);
        busy.add(at(real));
      } else if (real.inactiveConnections > 0) {
        // Inactive are those that open or close. The former become active; of the latter the kernel keeps the memory
        // for minutes.
        const since = this.#closingSince.get(id) ?? Date.now();
        this.#closingSince.set(id, since);
        if (Date.now() - since < this.#quietMs) busy.add(at(real));
        else this.#closingSince.delete(id);
      }
    }
    return busy;
  }
}

function sameProperties(a: VirtualServer, b: VirtualServer): boolean {
  return a.scheduler === b.scheduler && a.persistenceSeconds === b.persistenceSeconds;
}
