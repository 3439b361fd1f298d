import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { requireControl } from '../lab/control/client.ts';
import { PodnetError } from '../model/errors.ts';

/** `podnet enter`: nsenter(1) with the namespaces of the lab and the network of one of its machines. */
export async function enter({
  where,
  command,
  name,
}: {
  where: string;
  command: readonly string[];
  name: string;
}): Promise<number> {
  const control = await requireControl(name);
  const { namespaces } = await control.call('info', {});
  const target = namespaces.find((one) => one.name === where);
  if (target === undefined) {
    throw new PodnetError(`There is no machine named "${where}"`, {
      code: 'unknown-machine',
      fix: `Choose one of: ${namespaces.map((one) => one.name).join(', ')}. For a pod use kubectl exec.`,
    });
  }
  const { pid } = control;
  const program = command[0] === '--' ? command.slice(1) : command;
  const shell = process.env['SHELL'] ?? '/bin/sh';
  const args = [
    `--target=${pid}`,
    '--user',
    '--preserve-credentials',
    '--mount',
    '--pid',
    `--net=/proc/${pid}/fd/${target.fd}`,
    '--',
    ...(program.length > 0 ? program : [shell]),
  ];
  const child = spawn('nsenter', args, { stdio: 'inherit', env: { ...process.env, PODNET_MACHINE: where } });
  // The command on the terminal decides what an interrupt means; this process waits for it.
  process.on('SIGINT', () => undefined);
  const code = await new Promise<number>((done, fail) => {
    child.on('error', fail);
    child.on('exit', (status, signal) =>
      done(status ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
  control.close();
  return code;
}
