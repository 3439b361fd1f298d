/**
 * A command run under Debian's kernel, in a virtual machine that lives as long as the command. The machine sees the
 * whole file system of this one, so there is nothing to install in it; what it writes there nobody else sees.
 */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, missingPrograms } from '../../src/kernel/process.ts';
import { debianKernel, moduleFiles } from './debian-kernel.ts';
import { initramfs } from './initramfs.ts';

export interface VmOptions {
  /** The program and its arguments; found as on this machine. */
  readonly command: readonly string[];
  /** Kernel modules to insert first, those they need included: `ip_vs_rr`. None are loaded on demand. */
  readonly modules?: readonly string[];
  /** Files by name, which the command finds in `/run/vm`; what it writes there comes back. */
  readonly files?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** The working directory; that of the caller unless told. */
  readonly cwd?: string;
  /** Of the whole run. Booting takes about ten seconds of it. */
  readonly timeoutMs: number;
  readonly memoryMib?: number;
  readonly signal?: AbortSignal;
}

export interface VmResult {
  /** The command's exit code; undefined when the machine ended before the command did. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** What the kernel said, for when nothing else did. */
  readonly console: string;
  /** What lies in `/run/vm` at the end, by name. */
  readonly files: ReadonlyMap<string, string>;
}

const QEMU = 'qemu-system-x86_64';
/** All that the machine itself needs: its disk, and the checksums that others ask for by a name of their own. */
const OWN_MODULES = ['crc32c_generic', 'virtio_pci', '9pnet_virtio', '9p', 'overlay'];

/** Why there can be no virtual machine here, in words for a skipped test; undefined when there can. */
export function vmUnavailable(): string | undefined {
  if (process.arch !== 'x64') return `the virtual machine is for x86_64, and this is ${process.arch}`;
  const [missing] = missingPrograms([QEMU, 'setpriv', 'dpkg', 'apt-get']);
  if (missing !== undefined) return `${missing.name} is not installed`;
  if (staticBusybox() === undefined) return 'busybox-static is not installed';
  try {
    debianKernel();
  } catch (error) {
    return `Debian's kernel cannot be had: ${error instanceof Error ? error.message : String(error)}`;
  }
  return undefined;
}

/** Runs one command. Rejects when it takes too long, and leaves no process and no file behind. */
export async function runInVm(options: VmOptions): Promise<VmResult> {
  const { modules = [], files = {}, timeoutMs, memoryMib = 1024, signal } = options;
  const kernel = debianKernel();
  const busybox = staticBusybox();
  if (busybox === undefined) throw new Error('busybox-static is not installed');
  const directory = mkdtempSync(join(tmpdir(), 'podnet-vm-'));
  try {
    const share = join(directory, 'share');
    mkdirSync(share);
    for (const [name, content] of Object.entries(files)) writeFileSync(join(share, name), content);
    writeFileSync(join(share, 'command'), script(options));
    const initrd = join(directory, 'initramfs');
    writeFileSync(initrd, initramfs(busybox, moduleFiles(kernel, [...OWN_MODULES, ...modules])));
    const machine = [
      ['-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', `${memoryMib}`],
      ['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
      ['-kernel', kernel.imagePath, '-initrd', initrd],
      ['-append', 'console=ttyS0 quiet panic=-1 mitigations=off'],
      // Commas separate qemu's own options: doubled they are a path's.
      ['-virtfs', 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap'],
      ['-virtfs', `local,path=${share.replaceAll(',', ',,')},mount_tag=share,security_model=none`],
    ].flat();
    const said = (name: string): string => {
      const path = join(share, name);
      return existsSync(path) ? readFileSync(path, 'utf8') : '';
    };
    const console = await boot(machine, {
      timeoutMs,
      ...(signal && { signal }),
      output: () => `${said('stdout')}${said('stderr')}`,
    });
    const left = new Map(
      readdirSync(share, { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name }) => [name, readFileSync(join(share, name), 'utf8')]),
    );
    const status = left.get('status') ?? '';
    return {
      status: status === '' ? undefined : Number(status),
      stdout: left.get('stdout') ?? '',
      stderr: left.get('stderr') ?? '',
      console,
      files: left,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Debian has a busybox of either kind under the one name; a machine without libraries needs the static one. */
function staticBusybox(): string | undefined {
  const path = findProgram('busybox');
  return path !== undefined && !readFileSync(path).includes('/lib64/ld-linux') ? path : undefined;
}

/** The shell script that the machine's init runs. */
function script({ command, environment = {}, cwd = process.cwd() }: VmOptions): string {
  // What this machine has compiled already, Node in there need not compile again.
  const { PATH = '/usr/bin:/bin', NODE_COMPILE_CACHE } = process.env;
  const all = { PATH, HOME: '/tmp', ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }), ...environment };
  return [
    `cd ${quote(cwd)} || exit 126`,
    ...Object.entries(all).map(([name, value]) => `export ${name}=${quote(value)}`),
    `exec ${command.map(quote).join(' ')}`,
    '',
  ].join('\n');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Runs the machine to its end and gives what it said on its console. It dies with this process, however that dies. */
async function boot(
  args: readonly string[],
  { timeoutMs, signal, output }: { timeoutMs: number; signal?: AbortSignal; output: () => string },
): Promise<string> {
  const limit = AbortSignal.timeout(timeoutMs);
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', QEMU, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  const ends = [limit, ...(signal ? [signal] : [])];
  for (const end of ends) end.addEventListener('abort', kill, { once: true });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  }
  try {
    const status = await new Promise<number | null>((done, fail) => {
      child.once('error', fail);
      child.once('close', done);
    });
    signal?.throwIfAborted();
    if (limit.aborted)
      throw new Error(`the virtual machine did not end within ${timeoutMs} ms:\n${said}${output()}`);
    if (status !== 0) throw new Error(`${QEMU} ended with status ${status}:\n${said}${output()}`);
    return said;
  } finally {
    for (const end of ends) end.removeEventListener('abort', kill);
  }
}
