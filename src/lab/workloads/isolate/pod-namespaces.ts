import { chmodSync, closeSync, mkdirSync } from 'node:fs';
import { sethostname } from '../../../kernel/ffi.ts';
import type { Netns } from '../../../kernel/netns.ts';
import { holdNamespace, unshareInVisit, visit, type NamespaceFds } from './thread-namespaces.ts';

/** What the containers of a pod share besides their network: host name, IPC and /dev/shm. Made when first asked for. */
export interface PodNamespaces {
  readonly hostname: string;
  readonly netns: Netns;
  /** Network, UTS and IPC. */
  fds(): NamespaceFds;
  /** The directory behind every container's /dev/shm. */
  shm(): string;
  close(): void;
}

export function createPodNamespaces(netns: Netns, hostname: string, directory: string): PodNamespaces {
  let held: { readonly uts: number; readonly ipc: number } | undefined;
  return {
    hostname,
    netns,
    fds() {
      held ??= visit({}, () => {
        unshareInVisit('uts', 'ipc');
        sethostname(hostname);
        return { uts: holdNamespace('uts'), ipc: holdNamespace('ipc') };
      });
      return { net: netns.fd, ...held };
    },
    shm() {
      const path = `${directory}/shm`;
      mkdirSync(path, { recursive: true });
      chmodSync(path, 0o1777);
      return path;
    },
    close() {
      if (held) for (const fd of [held.uts, held.ipc]) closeSync(fd);
      held = undefined;
    },
  };
}
