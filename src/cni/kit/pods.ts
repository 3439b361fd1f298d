/** Network namespaces as runtimes make them: mounted on a file, so that plugins can open them by a path. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MS, mount, umount } from '../../kernel/ffi.ts';
import { type Netns, createNetns } from '../../kernel/netns.ts';

export interface Pod {
  /** A container id that no other has. */
  readonly id: string;
  /** What CNI_NETNS says. */
  readonly path: string;
  readonly netns: Netns;
  /** The namespace goes, with what is in it; `path` leads nowhere then. */
  kill(): void;
}

let count = 0;

/** Needs a mount namespace of its own. */
export function createPod(directory: string): Pod {
  count += 1;
  const id = `kit-${process.pid}-${count}`;
  const path = join(directory, id);
  const netns = createNetns();
  writeFileSync(path, '', { mode: 0o600 });
  mount(path, { source: `/proc/self/fd/${netns.fd}`, flags: MS.BIND });
  let isAlive = true;
  return {
    id,
    path,
    netns,
    kill() {
      if (!isAlive) return;
      isAlive = false;
      umount(path);
      netns.close();
      rmSync(path, { force: true });
    },
  };
}
