/** The command line. Commands are loaded when they are called, so that each starts as fast as it can. */
import { Command, CommanderError } from 'commander';
import { PodnetError, errorMessage } from '../model/errors.ts';
import { addCheckCommands } from './check-commands.ts';
import { addCniCommands } from './cni-commands.ts';
import { addDnsCommands } from './dns-commands.ts';
import { addLabCommands } from './lab-commands.ts';
import { examples } from './options.ts';
import { addServicesCommands } from './services-commands.ts';
import { err } from './terminal.ts';

/** Exit codes: 0 done, 1 it failed, 2 the command line is wrong, 130 interrupted. */
const exitCode = { failed: 1, usage: 2 } as const;

const program = new Command('podnet')
  .description('The whole Kubernetes network: real packets on one machine, and the reason for every hop.')
  .version('0.1.0')
  .showHelpAfterError('(--help shows what there is)')
  .addHelpText(
    'after',
    examples(
      './podnet up                                    a cluster with a small example',
      './podnet up -f app.yaml                        a cluster with your manifests',
      'export KUBECONFIG=$(./podnet kubeconfig)       from here on kubectl works',
      './podnet trace deploy/web svc/api              the way of a packet, and why',
      './podnet down',
    ),
  );

addLabCommands(program);
addCniCommands(program);
addCheckCommands(program);
addServicesCommands(program);
addDnsCommands(program);

/** commander would end the process itself. */
function overrideExit(command: Command): void {
  command.exitOverride();
  for (const below of command.commands) overrideExit(below);
}
overrideExit(program);

/** Tells a person what happened, where, and what to do. */
function complain(error: unknown): void {
  const lines = [`${err.red('error:')} ${errorMessage(error)}`];
  if (error instanceof PodnetError) {
    if (error.where) lines.push(`  where: ${error.where}`);
    if (error.fix) lines.push(`  fix:   ${error.fix}`);
  } else if (error instanceof Error && process.env['PODNET_DEBUG'] !== undefined)
    lines.push(error.stack ?? '');
  process.stderr.write(`${lines.join('\n')}\n`);
}

// A reader that goes away (`podnet status | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  if (process.argv.length <= 2) program.outputHelp();
  else await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : exitCode.usage;
  else {
    complain(error);
    const isUsage = error instanceof PodnetError && ['invalid-option', 'invalid-config'].includes(error.code);
    process.exitCode = isUsage ? exitCode.usage : exitCode.failed;
  }
}
