import { isErrno } from '../../kernel/ffi.ts';
import { type Netns, openNetns } from '../../kernel/netns.ts';
import type { Nftables } from '../../kernel/nftables/nftables.ts';
import { type Rtnl, openRtnl } from '../../kernel/rtnl/rtnl.ts';
import { CniError, cniErrorCodes } from '../spec/error.ts';
import { borrowNftables, borrowRtnl } from './shared-doors.ts';

/** The kernel's doors that one request needs, closed together at its end. */
export interface Doors {
  /** To the calling thread's namespace: the node's. */
  readonly node: Rtnl;
  /** The same; opened when it is first used. */
  readonly nftables: Nftables;
  /** Opens the container's namespace. @throws CniError (unknown container) when there is none */
  container(path: string): ContainerDoors;
  /** Undefined when the container's namespace is gone. */
  tryContainer(path: string): ContainerDoors | undefined;
}

export interface ContainerDoors {
  readonly netns: Netns;
  readonly rtnl: Rtnl;
}

/** Runs `use` with doors. */
export async function withDoors<T>(use: (doors: Doors) => T | Promise<T>): Promise<T> {
  const closers: { close(): void }[] = [];
  const open = <D extends { close(): void }>(door: D): D => {
    closers.push(door);
    return door;
  };
  let nftables: Nftables | undefined;
  const tryContainer = (path: string): ContainerDoors | undefined => {
    if (path === '') return undefined;
    try {
      const netns = open(openNetns(path));
      return { netns, rtnl: open(openRtnl({ netns })) };
    } catch (error) {
      // EINVAL: something that is no namespace, such as the file a mount left behind.
      if (isErrno(error, 'ENOENT', 'EINVAL', 'ENOTDIR')) return undefined;
      throw error;
    }
  };
  const { door: node, giveBack } = borrowRtnl();
  closers.push({ close: giveBack });
  try {
    return await use({
      node,
      get nftables() {
        return (nftables ??= open(borrowNftables()));
      },
      tryContainer,
      container(path) {
        const found = tryContainer(path);
        if (found) return found;
        throw new CniError(`CNI_NETNS: there is no network namespace at ${path}`, {
          code: cniErrorCodes.unknownContainer,
        });
      },
    });
  } finally {
    for (const door of closers.toReversed()) door.close();
  }
}
