import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { withControl, type ControlClient } from '../lab/control/client.ts';
import { PodnetError } from '../model/errors.ts';

export interface EnterOptions {
  readonly where: string;
  readonly command: readonly string[];
  readonly name: string;
}

/** `podnet enter`: nsenter(1) with the namespaces of the lab and the network of one of its machines. */
export async function enter({ name, ...rest }: EnterOptions): Promise<number> {
  return withControl(name, (control) => run(control, rest));
}

async function run(control: ControlClient, { where, command }: Omit<EnterOptions, 'name'>): Promise<number> {
  const { namespaces } = await control.call('info', {});
  const target = namespaces.find((one) => one.name === where);
  if (target === undefined) {
    throw new PodnetError(`There is no machine named "${where}"`, {
      code: 'unknown-machine',
      fix: `Choose one of: ${namespaces.map((one) => one.name).join(', ')}. For a pod use kubectl exec.`,
    });
  }
  const { pid } = control;
  const shell = process.env['SHELL'] ?? '/bin/sh';
  const args = [
    `--target=${pid}`,
    '--user',
    '--preserve-credentials',
    '--mount',
    '--pid',
    `--net=/proc/${pid}/fd/${target.fd}`,
    '--',
    ...(command.length > 0 ? command : [shell]),
  ];
  // Ordinary users of Debian have no sbin in their path, where ip and nft are.
  const path = [process.env['PATH'], '/usr/sbin', '/sbin'].filter(Boolean).join(':');
  const child = spawn('nsenter', args, {
    stdio: 'inherit',
    env: { ...process.env, PATH: path, PODNET_MACHINE: where, PS1: `${where}# ` },
  });
  // The command on the terminal decides what an interrupt means; this process waits for it.
  process.on('SIGINT', () => undefined);
  return new Promise<number>((done, fail) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      const missing = { code: 'missing-program', fix: 'Install it: apt-get install util-linux' };
      fail(error.code === 'ENOENT' ? new PodnetError('The program nsenter is missing', missing) : error);
    });
    child.on('exit', (status, signal) =>
      done(status ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
}
