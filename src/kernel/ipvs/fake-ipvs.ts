import { errnoNumber } from '../ffi.ts';
import { NetlinkError } from '../netlink/netlink-error.ts';
import {
  type Ipvs,
  type IpvsCommand,
  type RealServer,
  type VirtualServer,
  at,
  printCommand,
  printKey,
} from './ipvs.ts';

export interface FakeIpvs extends Ipvs {
  /** What the next listings say of a real server's connections. */
  setConnections(real: Pick<RealServer, 'address' | 'port'>, count: number): void;
}

interface Entry {
  server: VirtualServer;
  readonly reals: Map<string, RealServer>;
}

/** Virtual servers in memory, with the kernel's refusals. */
export function createFakeIpvs(): FakeIpvs {
  const entries = new Map<string, Entry>();
  const connections = new Map<string, number>();

  function fail(code: string, command: IpvsCommand): never {
    throw new NetlinkError(errnoNumber(code), printCommand(command));
  }

  function applyOne(command: IpvsCommand): void {
    const { verb } = command;
    const key = printKey('server' in command ? command.server.key : command.key);
    const entry = entries.get(key);
    if ('server' in command) {
      if (verb === 'add' && entry !== undefined) fail('EEXIST', command);
      if (verb === 'set' && entry === undefined) fail('ESRCH', command);
      if (entry === undefined) entries.set(key, { server: command.server, reals: new Map() });
      else entry.server = command.server;
      return;
    }
    if (entry === undefined) fail('ESRCH', command);
    if (!('real' in command)) {
      entries.delete(key);
      return;
    }
    const where = at(command.real);
    const exists = entry.reals.has(where);
    if (verb === 'add' && exists) fail('EEXIST', command);
    if (verb !== 'add' && !exists) fail('ENOENT', command);
    if (command.verb === 'delete') entry.reals.delete(where);
    else entry.reals.set(where, command.real);
  }

  return {
    apply(commands) {
      let first: unknown;
      for (const command of commands) {
        try {
          applyOne(command);
        } catch (error) {
          first ??= error;
        }
      }
      if (first !== undefined) throw first;
    },
    servers: () => [...entries.values()].map(({ server }) => server),
    realServers: (of) =>
      [...(entries.get(printKey(of))?.reals.values() ?? [])].map(({ address, port, weight }) => ({
        address,
        port,
        weight,
        activeConnections: connections.get(at({ address, port })) ?? 0,
        inactiveConnections: 0,
      })),
    setConnections: (real, count) => void connections.set(at(real), count),
    close: () => undefined,
  };
}
