/**
 * The lab's own process: PID 1 of its PID namespace, root of its user namespace, with a private /run and a network of
 * its own. Of the host's network it has two listening sockets, which it was given. Started by `process/launch.ts` with
 * one argument, the options as JSON; says on stdout that it listens, or why it cannot.
 */
import { mkdirSync, writeSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { closeOnExec, exitNow, mount } from '../kernel/ffi.ts';
import { kernelFeatures } from '../kernel/features.ts';
import { PodnetError, errorMessage } from '../model/errors.ts';
import { requireBackend } from '../services/backends/factory.ts';
import { listenControl } from './control/server.ts';
import { createLabNode } from './nodes/node.ts';
import { createLogger, errorText } from './log.ts';
import { hostSocketFds } from './process/host-sockets.ts';
import type { LabArgument, LabGreeting } from './process/launch.ts';
import { redirectOutput } from './process/stdio.ts';

const runtimeDirectory = '/run/podnet';

/** The command that started an owned lab takes a moment to say so; one that was killed never will. */
const ownerPatienceMs = 10_000;

function greet(greeting: LabGreeting): void {
  writeSync(1, `${JSON.stringify(greeting)}\n`);
}

function explain(error: unknown): LabGreeting {
  if (!(error instanceof PodnetError)) {
    const where = error instanceof Error ? (error.stack ?? '') : '';
    return { error: { code: 'lab-failed', message: errorMessage(error), where } };
  }
  const { code, message, where, fix } = error;
  return {
    error: {
      code,
      message,
      ...(where === undefined ? {} : { where }),
      ...(fix === undefined ? {} : { fix }),
    },
  };
}

/** @throws PodnetError naming what this kernel lacks, what it is for and how to get it */
function requireKernelFeatures(): void {
  const missing = kernelFeatures().find(({ name, available }) => !available && name !== 'vxlan');
  if (missing === undefined) return;
  const { name, purpose, problem = '', fix = '' } = missing;
  throw new PodnetError(`This kernel has no ${name}, which ${purpose}`, {
    code: 'kernel-feature-missing',
    where: problem,
    fix,
  });
}

async function main(): Promise<void> {
  const { options, owned } = JSON.parse(process.argv[2] ?? '') as LabArgument;
  for (const fd of Object.values(hostSocketFds)) closeOnExec(fd);
  mount('/run', { source: 'podnet', type: 'tmpfs', data: 'mode=755' });
  mkdirSync(runtimeDirectory, { mode: 0o700 });
  // libuv's threads are born in the namespace of the thread that first needs them, and stay there for ever.
  await stat('/');

  const log = createLogger(`${runtimeDirectory}/lab.log`);
  // The nodes' threads load their code while this one loads the API server's.
  const nodes = Array.from({ length: options.nodes }, (_, index) =>
    createLabNode({ index, runtimeDirectory, options, log }),
  );
  requireKernelFeatures();
  requireBackend(options.serviceBackend);
  const { createLab } = await import('./lab.ts');
  const lab = createLab(options, { nodes, runtimeDirectory, log });
  // Not `process.exit`, which waits for threads that may never listen. The kernel ends them and clears up.
  const end = async (code: number): Promise<never> => {
    await lab.stop();
    return exitNow(code);
  };
  const unowned = owned ? setTimeout(() => void end(1), ownerPatienceMs) : undefined;
  const control = await listenControl(hostSocketFds.control, {
    info: () => lab.info(),
    own: (_, connection) => {
      clearTimeout(unowned);
      connection.once('close', () => void end(0));
      return null;
    },
    stop: () => {
      setImmediate(() => void end(0));
      return null;
    },
    observe: ({ trace }) => lab.observe(trace),
    lookup: (question) => lab.lookUp(question),
    dnsAsk: (question) => lab.askDns(question),
    dnsTop: ({ limit }) => lab.dnsTop(limit),
    dnsLog: ({ from }) => lab.dnsLog(from),
    checkMtu: () => lab.checkMtu(),
  });
  control.on('error', (error) => log('error', `control socket: ${error.message}`));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end(0));
  process.on('unhandledRejection', (error) => {
    log('error', `unhandled: ${errorText(error)}`);
  });

  greet({ listening: true });
  redirectOutput(`${runtimeDirectory}/output.log`);
  await lab.start();
}

try {
  await main();
} catch (error) {
  try {
    greet(explain(error));
  } catch {
    // Nobody listens any more; the log has it.
  }
  exitNow(1);
}
