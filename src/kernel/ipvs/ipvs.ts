/**
 * The door to IPVS (IP virtual server), the kernel's layer 4 balancer: virtual servers, and the real servers behind
 * each. Everything takes effect before the call returns. Failures are `NetlinkError`s that carry the request.
 *
 * `openIpvs` (kernel-ipvs.ts) is the kernel's; `createFakeIpvs` (fake-ipvs.ts) keeps it in memory for tests.
 */
import type { IpFamily } from '../../model/ip.ts';

export type IpvsProtocol = 'tcp' | 'udp' | 'sctp';

/** What a packet must have to be a virtual server's: an address and port of its own, or a mark given by a firewall. */
export type VirtualServerKey =
  | { readonly address: string; readonly port: number; readonly protocol: IpvsProtocol }
  | { readonly mark: number; readonly family: IpFamily };

export interface VirtualServer {
  readonly key: VirtualServerKey;
  /** How a real server is chosen: `rr`, `wrr`, `lc` … */
  readonly scheduler: string;
  /** A client's address stays with its real server as long as it has connections, and so many seconds longer. */
  readonly persistenceSeconds?: number;
}

export interface RealServer {
  readonly address: string;
  readonly port: number;
  /** 0: keeps the connections it has and gets no new ones. */
  readonly weight: number;
}

export interface ListedRealServer extends RealServer {
  readonly activeConnections: number;
  readonly inactiveConnections: number;
}

/** One change. `add` fails with EEXIST, the others with ESRCH without the virtual server, ENOENT without the real one. */
export type IpvsCommand =
  | { readonly verb: 'add' | 'set'; readonly server: VirtualServer }
  | { readonly verb: 'delete'; readonly key: VirtualServerKey }
  | { readonly verb: 'add' | 'set'; readonly key: VirtualServerKey; readonly real: RealServer }
  | {
      readonly verb: 'delete';
      readonly key: VirtualServerKey;
      readonly real: Pick<RealServer, 'address' | 'port'>;
    };

export interface Ipvs {
  /** Carries out the commands in order, each by itself. Throws the first failure, with those after it carried out. */
  apply(commands: readonly IpvsCommand[]): void;
  servers(): VirtualServer[];
  realServers(of: VirtualServerKey): ListedRealServer[];
  close(): void;
}

/** `10.96.0.1:80/tcp`, `[fd00::1]:80/tcp`, `mark 7 IPv4`: equal for equal keys. */
export function printKey(key: VirtualServerKey): string {
  if ('mark' in key) return `mark ${key.mark} IPv${key.family}`;
  return `${at(key)}/${key.protocol}`;
}

/** `10.244.0.2:80`, `[fd00::2]:80`. */
export function at({ address, port }: Pick<RealServer, 'address' | 'port'>): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function printCommand(command: IpvsCommand): string {
  const { verb } = command;
  if ('server' in command) {
    const { key, scheduler, persistenceSeconds } = command.server;
    const persistence = persistenceSeconds === undefined ? '' : ` persistent ${persistenceSeconds}`;
    return `${verb} virtual server ${printKey(key)} ${scheduler}${persistence}`;
  }
  if (!('real' in command)) return `${verb} virtual server ${printKey(command.key)}`;
  const weight = 'weight' in command.real ? ` weight ${command.real.weight}` : '';
  return `${verb} real server ${at(command.real)} of ${printKey(command.key)}${weight}`;
}
