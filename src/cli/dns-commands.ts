/** The commands about cluster DNS: what a pod is answered, and who asks for what. */
import type { Command } from 'commander';
import {
  type Named,
  type Printed,
  examples,
  finish,
  nameOption,
  outputOption,
  wholeNumber,
} from './options.ts';

export function addDnsCommands(program: Command): void {
  const dns = program
    .command('dns')
    .description('what pods are answered by the cluster’s DNS, and what they ask');
  dns
    .command('query')
    .description('ask as a pod would, through its search list, and say where each answer comes from')
    .argument('<pod>', 'NAME or NAMESPACE/NAME; pod/NAME and deploy/NAME too')
    .argument('<name>', 'as the pod’s program would write it; a final dot leaves the search list out')
    .argument('[type]', 'A, AAAA, SRV, PTR, TXT, …', 'A')
    .addOption(nameOption())
    .option('-n, --namespace <namespace>', 'of a pod that does not say its own', 'default')
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        './podnet dns query shell web                       as `nslookup web` in the pod shell',
        './podnet dns query shop/shell postgres.database AAAA',
        './podnet dns query shell _http._tcp.web.default.svc.cluster.local. SRV -o yaml',
        './podnet dns query shell 10.96.0.20 PTR            the name of an address',
      ),
    )
    .action(
      finish(async (pod: string, name: string, type: string, options: DnsQueryOptions) =>
        (await import('./dns-query.ts')).dnsQuery({ pod, name, type }, options),
      ),
    );
  dns
    .command('top')
    .description('the busiest names and clients, types and answers, counted from now on')
    .addOption(nameOption())
    .option('--node <node>', 'only what this node is asked')
    .option('--for <seconds>', 'end after so long; a pipe gets one table then', wholeNumber)
    .option('--limit <rows>', 'of each list', wholeNumber, 10)
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        './podnet dns top                       live, until Ctrl-C',
        './podnet dns top --node node-2 --for 30',
        './podnet dns top --for 10 -o json',
      ),
    )
    .action(finish(async (options: DnsTopOptions) => (await import('./dns-top.ts')).dnsTop(options)));
  dns
    .command('log')
    .description('every question and answer, with the names of the pods that ask')
    .addOption(nameOption())
    .option('-f, --follow', 'go on until Ctrl-C')
    .option('--for <seconds>', 'how long to listen without --follow', wholeNumber, 5)
    .option('--pod <pod>', 'only of this pod, NAME or NAMESPACE/NAME')
    .option('--node <node>', 'only of this node')
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        './podnet dns log -f',
        './podnet dns log --pod shop/web-5d4 --for 30',
        './podnet dns log -f -o json            an object a line',
      ),
    )
    .action(finish(async (options: DnsLogOptions) => (await import('./dns-log.ts')).dnsLog(options)));
}

export interface DnsQueryOptions extends Named, Printed {
  readonly namespace: string;
}

export interface DnsTopOptions extends Named, Printed {
  readonly node?: string;
  readonly for?: number;
  readonly limit: number;
}

export interface DnsLogOptions extends Named, Printed {
  readonly follow?: boolean;
  readonly for: number;
  readonly pod?: string;
  readonly node?: string;
}
