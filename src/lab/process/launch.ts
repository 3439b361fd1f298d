import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PodnetError, errorMessage, type ErrorDetails } from '../../model/errors.ts';
import type { LabOptions } from '../options.ts';
import { writeIdMaps } from './id-maps.ts';

/** The first words of the lab process, one line of JSON on its stdout. */
export type LabGreeting =
  | { readonly listening: true }
  | { readonly error: ErrorDetails & { readonly message: string } };

export interface LabProcess {
  readonly child: ChildProcess;
}

/**
 * Two steps, because only a process outside can write the id maps: a shell in the new user namespace says it is there
 * and waits; then, root inside, it makes the other namespaces and becomes the lab. The values travel as arguments,
 * never as shell text.
 */
const waitForMaps =
  'echo mapme; read -r go || exit 1; exec unshare --mount --pid --fork --kill-child=KILL --mount-proc -- "$@" </dev/null';

const startTimeoutMs = 20_000;

/** The entry point beside this file: TypeScript in a clone, compiled JavaScript in the published package. */
function labEntry(): string {
  return join(import.meta.dirname, '..', import.meta.filename.endsWith('.ts') ? 'main.ts' : 'main.js');
}

function userNamespaceFix(): string {
  const knob = '/proc/sys/kernel/apparmor_restrict_unprivileged_userns';
  try {
    if (readFileSync(knob, 'utf8').trim() === '1') {
      return 'Allow them: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run podnet as root.';
    }
  } catch {
    // A kernel without AppArmor's restriction has no such file.
  }
  return 'Allow them: sudo sysctl user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1, or run podnet as root.';
}

async function firstLines(child: ChildProcess, onLine: (line: string) => boolean): Promise<void> {
  const { stdout } = child;
  if (stdout === null) return;
  const reader = createInterface({ input: stdout });
  try {
    for await (const line of reader) if (onLine(line)) return;
  } finally {
    reader.close();
  }
}

/**
 * Starts a lab in namespaces of its own and resolves when its control socket listens. The lab outlives this process;
 * whoever wants its life tied to a connection says so on the control socket.
 */
export async function launchLab(options: LabOptions): Promise<LabProcess> {
  const { uid, gid, username: user } = userInfo();
  const lab = [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    labEntry(),
    JSON.stringify({ ...options, uid }),
  ];
  const child = spawn('unshare', ['--user', '--', 'sh', '-c', waitForMaps, 'sh', ...lab], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4096);
  });
  const failure = new Promise<never>((_, fail) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      fail(
        error.code === 'ENOENT'
          ? new PodnetError('The program unshare is missing', {
              code: 'missing-program',
              fix: 'Install it: apt-get install util-linux',
            })
          : error,
      );
    });
    child.on('exit', (code, signal) => {
      const denied = /unshare failed|Operation not permitted|No space left/.test(stderr);
      fail(
        new PodnetError(
          denied ? 'This machine does not allow new user namespaces' : 'The lab did not start',
          {
            code: denied ? 'no-user-namespaces' : 'lab-failed',
            where: stderr.trim() || `exit ${signal ?? code}`,
            ...(denied ? { fix: userNamespaceFix() } : {}),
          },
        ),
      );
    });
  });
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, fail) => {
    timer = setTimeout(
      () =>
        fail(new PodnetError('The lab did not start in time', { code: 'lab-timeout', where: stderr.trim() })),
      startTimeoutMs,
    );
  });
  const greeting = firstLines(child, (line) => {
    if (line === 'mapme') {
      writeIdMaps(child.pid ?? 0, { uid, gid, user });
      child.stdin?.end('go\n');
      return false;
    }
    const words = JSON.parse(line) as LabGreeting;
    if ('error' in words) throw new PodnetError(words.error.message, words.error);
    return true;
  });
  try {
    await Promise.race([greeting, failure, timeout]);
  } catch (error) {
    child.kill('SIGKILL');
    throw error instanceof PodnetError
      ? error
      : new PodnetError(`The lab did not start: ${errorMessage(error)}`, {
          code: 'lab-failed',
          cause: error,
        });
  } finally {
    clearTimeout(timer);
    failure.catch(() => undefined);
  }
  child.stdin?.destroy();
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.removeAllListeners();
  child.unref();
  return { child };
}
