import { PodnetError } from '../../model/errors.ts';
import { isErrno } from '../ffi.ts';
import { type GenericNetlink, openGenericNetlink } from '../netlink/generic.ts';
import type { Netns } from '../netns.ts';
import {
  CMD,
  IPVS_FAMILY,
  commandNumber,
  decodeRealServer,
  decodeServer,
  writeCommand,
  writeServiceKey,
} from './codec.ts';
import {
  type Ipvs,
  type IpvsCommand,
  type ListedRealServer,
  type VirtualServer,
  type VirtualServerKey,
  printCommand,
  printKey,
} from './ipvs.ts';

/**
 * Opens the door in `netns`, the calling thread's own unless told.
 * @throws PodnetError `kernel-lacks` when this kernel has no IPVS, or allows it to root of the machine only
 */
export function openIpvs(options: { readonly netns?: Netns } = {}): Ipvs {
  const ipvs = new KernelIpvs(openGenericNetlink(IPVS_FAMILY, options));
  try {
    requirePermission(ipvs);
    return ipvs;
  } catch (error) {
    ipvs.close();
    throw error;
  }
}

/** Tries something that changes nothing. */
function requirePermission(ipvs: Ipvs): void {
  try {
    ipvs.apply([{ verb: 'delete', key: { mark: 0xffff_ffff, family: 4 } }]);
  } catch (error) {
    if (isErrno(error, 'ESRCH')) return;
    if (!isErrno(error, 'EPERM')) throw error;
    throw new PodnetError('This kernel does not let user namespaces have IPVS', {
      code: 'kernel-lacks',
      where: 'IPVS in a user namespace',
      fix: 'Run as root outside of user namespaces, which the lab never is, or use another backend for Services.',
      cause: error,
    });
  }
}

class KernelIpvs implements Ipvs {
  readonly #netlink: GenericNetlink;

  constructor(netlink: GenericNetlink) {
    this.#netlink = netlink;
  }

  apply(commands: readonly IpvsCommand[]): void {
    if (commands.length === 0) return;
    const messages = commands.map((command) => {
      const out = this.#netlink.message(commandNumber(command));
      writeCommand(out, command);
      return out.finish(() => printCommand(command));
    });
    const { errors } = this.#netlink.socket.batch(messages);
    if (errors[0]) throw errors[0];
  }

  servers(): VirtualServer[] {
    const question = this.#netlink.message(CMD.GET_SERVICE).finish('list virtual servers');
    return this.#netlink.socket
      .dump(question)
      .map((reply) => decodeServer(this.#netlink.attributes(reply)))
      .filter((server) => server !== undefined);
  }

  realServers(of: VirtualServerKey): ListedRealServer[] {
    const question = this.#netlink.message(CMD.GET_DEST);
    writeServiceKey(question, of);
    return this.#netlink.socket
      .dump(question.finish(() => `list real servers of ${printKey(of)}`))
      .map((reply) => decodeRealServer(this.#netlink.attributes(reply)))
      .filter((real) => real !== undefined);
  }

  close(): void {
    this.#netlink.close();
  }
}
