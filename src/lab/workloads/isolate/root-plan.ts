import { MS } from '../../../kernel/ffi.ts';

export interface HostEntry {
  readonly name: string;
  /** Where a symbolic link points. */
  readonly linkTo?: string;
  /** A directory laid over it: owned directories, and empty files in the place of what only root may read. */
  readonly mask?: string;
}

/** What of the host's file system a container is built from. */
export interface HostLayout {
  /** Top-level entries a container shows: `usr`, `bin` (often a link to `usr/bin`), `etc` … */
  readonly entries: readonly HostEntry[];
  /** Directories below /var (relative: `lib/nginx`) that programs expect; a container gets them empty. */
  readonly varDirectories: readonly string[];
  /** Character devices of /dev that exist. */
  readonly devices: readonly string[];
}

export interface RootVolume {
  /** Outside the container; a path of the lab. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly isFile: boolean;
}

export interface RootRequest {
  /** Holds the container's writable layers; on the lab's tmpfs. */
  readonly directory: string;
  readonly host: HostLayout;
  readonly readOnly: boolean;
  /** Shared by the containers of a pod. */
  readonly shm: string;
  /** In order: a volume below another one comes after it. */
  readonly volumes: readonly RootVolume[];
  readonly workingDirectory: string;
}

/** One step of building a container's root. Paths are absolute. */
export type RootStep =
  | { readonly do: 'directory'; readonly path: string; readonly mode?: number }
  | { readonly do: 'file'; readonly path: string }
  | { readonly do: 'symlink'; readonly path: string; readonly to: string }
  | {
      readonly do: 'mount';
      readonly target: string;
      readonly source?: string;
      readonly type?: string;
      readonly flags: number;
      readonly data?: string;
      /** Go on without it. */
      readonly optional?: boolean;
    }
  /** Makes the mount at the target read-only, and those below it if told. */
  | { readonly do: 'readOnly'; readonly target: string; readonly below: boolean }
  /** A writable view of a directory of the host; read-only where the kernel cannot lay one over the other. */
  | {
      readonly do: 'overlay';
      readonly lower: readonly string[];
      readonly upper: string;
      readonly work: string;
      readonly target: string;
      readonly readOnly: boolean;
    };

/** How a container's root comes about. */
export interface RootPlan {
  /** Becomes `/`. */
  readonly root: string;
  /** Where the lab's own root is while `inside` runs, then taken away: a name nobody can guess. */
  readonly oldRoot: string;
  /** Before the root changes; targets are paths of the lab. */
  readonly outside: readonly RootStep[];
  /** After it: targets are paths of the container, so that its links cannot lead anything astray. */
  readonly inside: readonly RootStep[];
  /** When the old root is gone. */
  readonly last: readonly RootStep[];
}

const DEVICE_LINKS = {
  fd: '/proc/self/fd',
  stdin: 'fd/0',
  stdout: 'fd/1',
  stderr: 'fd/2',
  ptmx: 'pts/ptmx',
} as const;

/** Pure: the same request and name give the same plan. */
export function compileRoot(request: RootRequest, oldRootName: string): RootPlan {
  const root = `${request.directory}/root`;
  return {
    root,
    oldRoot: `${root}/${oldRootName}`,
    outside: [
      ...skeleton(request, root, oldRootName),
      ...hostDirectories(request, root),
      ...devices(request, root),
      ...kernelViews(root),
    ],
    inside: [
      ...volumes(request.volumes, `/${oldRootName}`),
      { do: 'directory', path: request.workingDirectory },
    ],
    last: request.readOnly ? [{ do: 'readOnly', target: '/', below: false }] : [],
  };
}

function skeleton({ host }: RootRequest, root: string, oldRootName: string): RootStep[] {
  const plain = [
    'proc',
    'sys',
    'dev',
    'run',
    'run/lock',
    'home',
    'mnt',
    'media',
    'srv',
    'var',
    'var/lib',
    'var/log',
    'var/cache',
    'var/spool',
  ];
  return [
    { do: 'directory', path: root, mode: 0o755 },
    { do: 'mount', target: root, source: root, flags: MS.BIND },
    ...plain.map((name): RootStep => ({ do: 'directory', path: `${root}/${name}`, mode: 0o755 })),
    { do: 'directory', path: `${root}/root`, mode: 0o700 },
    { do: 'directory', path: `${root}/tmp`, mode: 0o1777 },
    { do: 'directory', path: `${root}/var/tmp`, mode: 0o1777 },
    { do: 'directory', path: `${root}/${oldRootName}`, mode: 0o700 },
    { do: 'symlink', path: `${root}/var/run`, to: '/run' },
    { do: 'symlink', path: `${root}/var/lock`, to: '/run/lock' },
    ...host.varDirectories.map((name): RootStep => ({
      do: 'directory',
      path: `${root}/var/${name}`,
      mode: 0o755,
    })),
  ];
}

function hostDirectories({ host, directory, readOnly }: RootRequest, root: string): RootStep[] {
  return host.entries.flatMap(({ name, linkTo, mask }): RootStep[] => {
    if (linkTo !== undefined) return [{ do: 'symlink', path: `${root}/${name}`, to: linkTo }];
    const [upper, work] = [`${directory}/upper-${name}`, `${directory}/work-${name}`];
    const lower = mask === undefined ? [`/${name}`] : [mask, `/${name}`];
    return [
      { do: 'directory', path: upper, mode: 0o755 },
      { do: 'directory', path: work, mode: 0o755 },
      { do: 'directory', path: `${root}/${name}`, mode: 0o755 },
      { do: 'overlay', lower, upper, work, target: `${root}/${name}`, readOnly },
    ];
  });
}

function devices({ host, shm }: RootRequest, root: string): RootStep[] {
  const dev = `${root}/dev`;
  return [
    { do: 'mount', target: dev, source: 'dev', type: 'tmpfs', flags: MS.NOSUID, data: 'mode=755,size=1m' },
    ...host.devices.flatMap((name): RootStep[] => [
      { do: 'file', path: `${dev}/${name}` },
      { do: 'mount', target: `${dev}/${name}`, source: `/dev/${name}`, flags: MS.BIND },
    ]),
    ...Object.entries(DEVICE_LINKS).map(([name, to]): RootStep => ({
      do: 'symlink',
      path: `${dev}/${name}`,
      to,
    })),
    ...['pts', 'shm', 'mqueue'].map((name): RootStep => ({ do: 'directory', path: `${dev}/${name}` })),
    {
      do: 'mount',
      target: `${dev}/pts`,
      source: 'devpts',
      type: 'devpts',
      flags: MS.NOSUID | MS.NOEXEC,
      data: 'newinstance,ptmxmode=0666,mode=0620',
    },
    { do: 'mount', target: `${dev}/shm`, source: shm, flags: MS.BIND },
    {
      do: 'mount',
      target: `${dev}/mqueue`,
      source: 'mqueue',
      type: 'mqueue',
      flags: MS.NOSUID | MS.NODEV | MS.NOEXEC,
      optional: true,
    },
  ];
}

/**
 * The lab's /proc is only there so that the kernel lets the container's first process mount its own over it: in a user
 * namespace that needs a full one in sight. /sys shows the network namespace the thread is in.
 */
function kernelViews(root: string): RootStep[] {
  const flags = MS.NOSUID | MS.NODEV | MS.NOEXEC;
  return [
    { do: 'mount', target: `${root}/proc`, source: '/proc', flags: MS.BIND | MS.REC },
    {
      do: 'mount',
      target: `${root}/sys`,
      source: 'sysfs',
      type: 'sysfs',
      flags: flags | MS.RDONLY,
      optional: true,
    },
  ];
}

function volumes(list: readonly RootVolume[], oldRoot: string): RootStep[] {
  return list.flatMap(({ source, target, readOnly, isFile }): RootStep[] => [
    isFile ? { do: 'file', path: target } : { do: 'directory', path: target },
    { do: 'mount', target, source: `${oldRoot}${source}`, flags: MS.BIND | MS.REC },
    ...(readOnly ? [{ do: 'readOnly', target, below: true } as const] : []),
  ]);
}

/** One step a line, for people and for tests. */
export function printRootPlan({ root, outside, inside, last }: RootPlan): string {
  return [...outside.map(printStep), `pivot ${root}`, ...[...inside, ...last].map(printStep)].join('\n');
}

function printStep(step: RootStep): string {
  if (step.do === 'directory')
    return `directory ${step.path}${step.mode === undefined ? '' : ` ${step.mode.toString(8)}`}`;
  if (step.do === 'file') return `file ${step.path}`;
  if (step.do === 'symlink') return `symlink ${step.path} -> ${step.to}`;
  if (step.do === 'overlay')
    return `overlay ${step.target} of ${step.lower.join(':')}${step.readOnly ? ' ro' : ''}`;
  if (step.do === 'readOnly') return `read-only ${step.target}${step.below ? ' and below' : ''}`;
  return `mount ${step.type ?? 'bind'} ${step.source ?? ''} on ${step.target}`;
}
