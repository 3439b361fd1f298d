/** The command line. Commands are loaded when they are called, so that each starts as fast as it can. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { PodnetError, errorMessage } from '../model/errors.ts';
import { err } from './terminal.ts';

/** Exit codes: 0 done, 1 it failed, 2 the command line is wrong, 130 interrupted. */
const exitCode = { failed: 1, usage: 2 } as const;

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('Give a whole number.');
  return value;
}

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

const nameOption = (): Option => new Option('--name <name>', 'of the cluster').default('podnet');
const outputOption = (): Option =>
  new Option('-o, --output <format>', 'print as data').choices(['json', 'yaml']);

interface Named {
  readonly name: string;
}

interface Printed {
  readonly output?: 'json' | 'yaml';
}

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
}

const program = new Command('podnet')
  .description('The whole Kubernetes network: real packets on one machine, and the reason for every hop.')
  .version('0.1.0')
  .showHelpAfterError('(--help shows what there is)')
  .exitOverride()
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

/** Runs an action and leaves with the code it resolves with. */
function finish<A extends unknown[]>(
  action: (...values: A) => Promise<number | void>,
): (...values: A) => Promise<void> {
  return async (...values) => {
    process.exitCode = (await action(...values)) ?? 0;
  };
}

program
  .command('up')
  .description('start a cluster of network namespaces and apply manifests to it')
  .option(
    '-f, --filename <path>',
    'manifest, folder of manifests, or - for standard input; repeatable',
    collect,
  )
  .option('-d, --detach', 'leave it running in the background; returns when all is ready')
  .option('--nodes <count>', 'how many nodes', wholeNumber)
  .option('--name <name>', 'of the cluster; several run side by side')
  .option('--link <kind>', "pods' links: routed")
  .option('--cidr <cidr>', "pods' addresses (default 10.244.0.0/16)")
  .option('--node-cidr-mask-size <bits>', "of each node's part of it (default 24: 253 pods)", wholeNumber)
  .option('--service-cidr <cidr>', "Services' addresses (default 10.96.0.0/16)")
  .option('--cluster-domain <domain>', 'of DNS names (default cluster.local)')
  .option('--config <file>', 'YAML file with these settings; flags win')
  .option('--timeout <seconds>', 'how long to wait for every pod to be ready', wholeNumber, 180)
  .addHelpText(
    'after',
    examples(
      './podnet up                                  three nodes and a small example; Ctrl-C ends it',
      './podnet up -d -f manifests/ --nodes 5       five nodes in the background',
      'kustomize build . | ./podnet up -d -f -      whatever another tool prints',
      './podnet up -d --name blue                   a second cluster beside the first',
    ),
  )
  .action(finish(async (options) => (await import('./up.ts')).up(options)));

program
  .command('down')
  .description('end a cluster and leave nothing behind')
  .addOption(nameOption())
  .option('--all', 'end every cluster of yours')
  .addHelpText('after', examples('./podnet down', './podnet down --name blue', './podnet down --all'))
  .action(finish(async (options: Named & { all?: boolean }) => (await import('./down.ts')).down(options)));

program
  .command('status')
  .description('nodes, pods and Services of a running cluster')
  .addOption(nameOption())
  .addOption(outputOption())
  .addHelpText('after', examples('./podnet status', './podnet status -o json | jq .pods'))
  .action(finish(async (options: Named & Printed) => (await import('./status.ts')).status(options)));

program
  .command('list')
  .description('your running clusters')
  .addOption(outputOption())
  .addHelpText('after', examples('./podnet list', './podnet list -o json'))
  .action(finish(async (options: Printed) => (await import('./list.ts')).list(options)));

program
  .command('kubeconfig')
  .description("print the path of a running cluster's kubeconfig")
  .addOption(nameOption())
  .addHelpText('after', examples('export KUBECONFIG=$(./podnet kubeconfig)', 'kubectl get pods'))
  .action(finish(async ({ name }: Named) => (await import('./kubeconfig.ts')).kubeconfig(name)));

program
  .command('trace')
  .description('every hop of a packet from one pod to another, and the object that decides it')
  .argument('<source>', 'POD, NAMESPACE/POD or deploy/NAME')
  .argument('<destination>', 'POD, svc/NAME, NAME.NAMESPACE or ADDRESS, with :PORT')
  .addOption(nameOption())
  .addOption(outputOption())
  .addOption(new Option('--protocol <protocol>', 'of the packet').choices(['tcp', 'udp']).default('tcp'))
  .option('-n, --namespace <namespace>', 'of names that do not say theirs', 'default')
  .option('--explain', 'say in a sentence why, for every hop')
  .option('--observe', 'send a real packet and show whether the kernel did the same')
  .addHelpText(
    'after',
    examples(
      './podnet trace deploy/web svc/api',
      './podnet trace web-5d4 api.default:80 --observe',
      './podnet trace shell 10.244.1.7:8080 -o json',
    ),
  )
  .action(
    finish(async (source: string, destination: string, options) =>
      (await import('./trace.ts')).trace({ ...options, source, destination }),
    ),
  );

program
  .command('enter')
  .description("run a command in a node's network, or in the world outside the cluster")
  .argument('<where>', 'node-1 … node-N, world or switch')
  .argument('[command...]', 'what to run; a shell when nothing is given')
  .addOption(nameOption())
  .addHelpText(
    'after',
    examples(
      './podnet enter node-1 -- ip route',
      './podnet enter node-2 -- nft list ruleset',
      './podnet enter world',
    ),
  )
  .action(
    finish(async (where: string, command: string[], { name }: Named) =>
      (await import('./enter.ts')).enter({ where, command, name }),
    ),
  );

for (const command of program.commands) command.exitOverride();

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
