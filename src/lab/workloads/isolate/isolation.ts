import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import {
  canSetGroups,
  countMapped,
  isMapped,
  layBusyboxApplets,
  procMountTable,
  readHostLayout,
} from './host-layout.ts';
import { DEFAULT_PATH, findProgram } from './programs.ts';
import type { HostLayout } from './root-plan.ts';

/** What all isolated containers of a node are made from. Read from the host when the first one starts. */
export interface Isolation {
  readonly host: HostLayout;
  readonly canSetGroups: boolean;
  /** Files for `ProgramRequest.mountTablePath`. */
  readonly mountTable: { readonly ordinary: string; readonly privileged: string };
  /** Where a container sees busybox's applets; undefined when the host has none. */
  readonly appletsDirectory: string | undefined;
  /** Whether that user or group id exists here. */
  readonly isUserMapped: (id: number) => boolean;
  readonly isGroupMapped: (id: number) => boolean;
  /** Whether root is the only user there is: files cannot be given to anybody else. */
  readonly mapsOneUser: boolean;
}

/** `directory` is on the lab's tmpfs, and of this node alone. Throws `PodnetError` when util-linux is missing. */
export function createIsolation(directory: string): Isolation {
  for (const name of ['sh', 'mount', 'setpriv', 'setsid']) findProgram(name, DEFAULT_PATH, '/');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const table = (name: string, privileged: boolean): string => {
    const path = `${directory}/${name}.fstab`;
    writeFileSync(path, procMountTable(privileged), { mode: 0o600 });
    return path;
  };
  const [users, groups] = [
    readFileSync('/proc/self/uid_map', 'utf8'),
    readFileSync('/proc/self/gid_map', 'utf8'),
  ];
  return {
    host: readHostLayout(directory),
    canSetGroups: canSetGroups(),
    mountTable: { ordinary: table('ordinary', false), privileged: table('privileged', true) },
    appletsDirectory: layBusyboxApplets(`${directory}/busybox`),
    isUserMapped: (id) => isMapped(id, users),
    isGroupMapped: (id) => isMapped(id, groups),
    mapsOneUser: countMapped(users) === 1 || countMapped(groups) === 1,
  };
}
