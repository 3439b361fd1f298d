/** The commands of the lab: a cluster on this machine. */
import { Option, type Command } from 'commander';
import {
  type Named,
  type Printed,
  collect,
  examples,
  finish,
  nameOption,
  outputOption,
  wholeNumber,
} from './options.ts';

export function addLabCommands(program: Command): void {
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
    .option('--link <kind>', "pods' links: routed (the default) or bridge")
    .option('--service-backend <name>', 'of Services: nftables (the default), iptables or ipvs')
    .option('--mtu <bytes>', "of pods' links (default: that of the nodes' network)", wholeNumber)
    .option('--ip-family <which>', 'of pods and Services: ipv4, ipv6 or dual (default ipv4)')
    .option('--cidr <cidrs>', "pods' addresses (default 10.244.0.0/16; IPv6 fd00:10:244::/56)")
    .option(
      '--node-cidr-mask-size <bits>',
      "of each node's part of the IPv4 one (default 24: 253 pods)",
      wholeNumber,
    )
    .option('--service-cidr <cidrs>', "Services' addresses (default 10.96.0.0/16; IPv6 fd00:10:96::/112)")
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
    .argument('<source>', 'POD, NAMESPACE/POD, deploy/NAME, node/NAME or world')
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
}
