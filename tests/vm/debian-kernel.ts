/** Debian's own kernel, which has what a machine's may lack: fetched from Debian's archive once, never installed. */
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

export interface DebianKernel {
  /** `6.1.0-56-amd64` */
  readonly release: string;
  /** Of the file that boots. */
  readonly imagePath: string;
  /** `/lib/modules/RELEASE` of the package. */
  readonly modulesDirectory: string;
}

const cache = resolve(import.meta.dirname, '../../node_modules/.cache/vm');
const METAPACKAGE = 'linux-image-amd64';
const FETCH_TIMEOUT_MS = 120_000;

/** The kernel from the cache or, the first time, from the archive apt knows. @throws Error saying what is in the way */
export function debianKernel(): DebianKernel {
  mkdirSync(cache, { recursive: true });
  const cached = kernelIn(cache);
  if (cached !== undefined) return cached;
  const depends = run('apt-cache', ['depends', '--important', METAPACKAGE]);
  const name = /Depends: (linux-image-[a-z0-9.+-]+)/u.exec(depends)?.[1];
  if (name === undefined)
    throw new Error(`apt knows no kernel by the name of ${METAPACKAGE} (apt-get update?)`);
  // Made apart and renamed, so that another process sees all of it or nothing.
  const unpacked = mkdtempSync(join(cache, 'fetch-'));
  try {
    run('apt-get', ['download', '-qq', name], unpacked);
    const archive = readdirSync(unpacked).find((file) => file.endsWith('.deb'));
    if (archive === undefined) throw new Error(`apt-get downloaded no ${name}`);
    run('dpkg', ['--extract', join(unpacked, archive), unpacked]);
    rmSync(join(unpacked, archive));
    rename(unpacked, join(cache, name));
  } finally {
    rmSync(unpacked, { recursive: true, force: true });
  }
  const fetched = kernelIn(cache);
  if (fetched === undefined) throw new Error(`${name} holds no kernel`);
  return fetched;
}

function kernelIn(directory: string): DebianKernel | undefined {
  const [imagePath] = globSync('linux-image-*/boot/vmlinuz-*', { cwd: directory }).toSorted().toReversed();
  if (imagePath === undefined) return undefined;
  const release = basename(imagePath).slice('vmlinuz-'.length);
  const modulesDirectory = join(directory, imagePath, '../../lib/modules', release);
  return { release, imagePath: join(directory, imagePath), modulesDirectory };
}

/** Someone else may have been faster: then theirs is as good. */
function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (kernelIn(cache) === undefined) throw error;
  }
}

function run(program: string, args: readonly string[], cwd?: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: FETCH_TIMEOUT_MS,
    ...(cwd !== undefined && { cwd }),
  });
  if (error !== undefined) throw new Error(`${program} cannot run: ${error.message}`, { cause: error });
  if (status !== 0) {
    const [reason = `exit status ${status}`] = stderr.trim().split('\n').toReversed();
    throw new Error(`${program} ${args.join(' ')}: ${reason}`);
  }
  return stdout;
}

/**
 * The files of kernel modules and of all they need, in the order in which they can be inserted. What is built into the
 * kernel needs no file. @throws Error naming the module the kernel does not have
 */
export function moduleFiles({ modulesDirectory, release }: DebianKernel, names: readonly string[]): string[] {
  const files = new Map(
    globSync('kernel/**/*.ko', { cwd: modulesDirectory }).map((path) => [
      moduleName(basename(path, '.ko')),
      join(modulesDirectory, path),
    ]),
  );
  const builtIn = new Set(
    readFileSync(join(modulesDirectory, 'modules.builtin'), 'utf8')
      .split('\n')
      .map((path) => moduleName(basename(path, '.ko'))),
  );
  const ordered = new Set<string>();
  const add = (name: string): void => {
    const path = files.get(moduleName(name));
    if (path === undefined) {
      if (builtIn.has(moduleName(name))) return;
      throw new Error(`Linux ${release} has no module ${name}`);
    }
    if (ordered.has(path)) return;
    for (const needed of dependencies(path)) add(needed);
    ordered.add(path);
  };
  for (const name of names) add(name);
  return [...ordered];
}

/** The kernel takes dashes and underscores for the same. */
function moduleName(name: string): string {
  return name.replaceAll('-', '_');
}

/** As the module itself says: `depends=a,b`, a string between NUL bytes in its section .modinfo. */
function dependencies(path: string): string[] {
  const text = readFileSync(path).toString('latin1');
  const depends = /\0depends=([^\0]*)\0/u.exec(text)?.[1] ?? '';
  return depends.split(',').filter((name) => name !== '');
}
