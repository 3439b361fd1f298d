import { isIP } from 'node:net';
import type { AnswerOrigin } from '../dns/observe/look.ts';
import { resolvConf } from '../dns/pod-resolv-conf.ts';
import { ndotsOf, searchNames } from '../dns/search-list.ts';
import { reverseName } from '../dns/wire/address.ts';
import { typeNumber } from '../dns/wire/constants.ts';
import { printKey, nameKey } from '../dns/wire/name.ts';
import type { DnsReply, DnsReplyRecord } from '../lab/dns-ask.ts';
import type { ControlClient } from '../lab/control/client.ts';
import { PodnetError } from '../model/errors.ts';
import { objectKey, type Pod } from '../model/objects.ts';
import type { TraceView } from '../trace/view.ts';
import { withCluster } from './cluster.ts';
import { printData } from './data.ts';
import type { DnsQueryOptions } from './dns-commands.ts';
import { createSources, type Sources } from './dns-sources.ts';
import { out, printResult } from './terminal.ts';
import { loadView } from './trace.ts';

/** An answer's record and the object and field that say so, as far as it is the cluster's. */
export interface SourcedRecord extends DnsReplyRecord {
  readonly source?: string;
}

/** One question on the way through the search list. */
export interface Try {
  /** Complete. */
  readonly name: string;
  readonly server: string;
  readonly reply: Omit<DnsReply, 'answers' | 'port' | 'id'>;
  readonly answers: readonly SourcedRecord[];
  /** Undefined where the server is none of the cluster's nodes. */
  readonly from?: AnswerOrigin;
}

export interface DnsQueryReport {
  /** `namespace/name`. */
  readonly pod: string;
  readonly node: string;
  readonly question: { readonly name: string; readonly type: string };
  readonly resolvConf: {
    readonly nameservers: readonly string[];
    readonly searches: readonly string[];
    readonly options: readonly string[];
  };
  readonly tries: readonly Try[];
  readonly roundTrips: number;
  readonly milliseconds: number;
  readonly found: boolean;
}

interface Question {
  readonly pod: string;
  readonly name: string;
  readonly type: string;
}

/** `podnet dns query`. Resolves with the exit code: 1 when the pod would find nothing. */
export async function dnsQuery(question: Question, options: DnsQueryOptions): Promise<number> {
  const { name, type } = readQuestion(question);
  return withCluster(options.name, async ({ client, control }) => {
    const view = await loadView(client);
    const pod = findPod(view, question.pod, options.namespace);
    const report = await walk(control, view, { pod, name, type });
    if (!printData(report, options.output)) printResult(printReport(report));
    return report.found ? 0 : 1;
  });
}

/** @throws PodnetError for what is no name, or no type */
function readQuestion({ name: text, type: typeText }: Question): { name: string; type: string } {
  const type = typeText.toUpperCase();
  if (typeNumber(type) === undefined)
    throw new PodnetError(`${JSON.stringify(typeText)} is no record type`, {
      code: 'invalid-option',
      fix: 'Give one such as A, AAAA, SRV, PTR, CNAME, TXT, NS, SOA, or TYPE65.',
    });
  const name = type === 'PTR' && isIP(text) !== 0 ? `${reverseName(text)}.` : text;
  try {
    nameKey(name);
  } catch (error) {
    throw new PodnetError(`${JSON.stringify(text)} is no domain name`, {
      code: 'invalid-option',
      where: error instanceof Error ? error.message : '',
      fix: 'Labels have 1 to 63 bytes, whole names at most 255.',
    });
  }
  return { name, type };
}

/** `NAME`, `NAMESPACE/NAME`, `pod/NAME` or `deploy/NAME`: the first pod of a deployment. */
function findPod(view: TraceView, text: string, namespace: string): Pod {
  const [first = '', second] = text.split('/');
  const isDeployment = ['deploy', 'deployment', 'deployments'].includes(first) && second !== undefined;
  const isPod = ['pod', 'pods', 'po'].includes(first) && second !== undefined;
  const key = second === undefined ? `${namespace}/${first}` : isPod ? `${namespace}/${second}` : text;
  const found = view.pods.find((pod) =>
    isDeployment
      ? pod.metadata?.namespace === namespace &&
        new RegExp(`^${RegExp.escape(second)}-[a-z0-9]+-[a-z0-9]{5}$`, 'u').test(pod.metadata.name ?? '')
      : objectKey(pod) === key,
  );
  if (found !== undefined) return found;
  const sameName = view.pods.map(objectKey).filter((each) => each.endsWith(`/${second ?? first}`));
  const all = view.pods.map(objectKey).toSorted().slice(0, 12).join(', ');
  throw new PodnetError(`There is no pod ${isDeployment ? `of deployment ${second}` : key}`, {
    code: 'unknown-pod',
    where: key,
    fix: sameName.length > 0 ? `Did you mean ${sameName.join(' or ')}?` : `There are: ${all || 'none'}.`,
  });
}

/** Asks each name of the search list until one is found, as glibc does: what fails is passed over too. */
async function walk(
  control: ControlClient,
  view: TraceView,
  { pod, name, type }: { pod: Pod; name: string; type: string },
): Promise<DnsQueryReport> {
  const { clusterDns, clusterDomain } = view;
  const settings = resolvConf(pod, { clusterDns, clusterDomain, nodeResolvConf: '' });
  const { nameservers, searches, options } = settings;
  const [server] = nameservers;
  if (server === undefined)
    throw new PodnetError(`Pod ${objectKey(pod)} has no name server`, {
      code: 'no-nameserver',
      where: `dnsPolicy: ${pod.spec?.dnsPolicy ?? 'ClusterFirst'}`,
      fix: 'Give it one in spec.dnsConfig.nameservers, or dnsPolicy: ClusterFirst.',
    });
  const sources = createSources(view);
  const tries: Try[] = [];
  for (const each of searchNames(name, settings)) {
    const one = await ask(control, sources, { pod: objectKey(pod), name: each, type, nameservers });
    tries.push(one);
    if (one.reply.rcode === 'NOERROR' && one.answers.some((answer) => answer.type === type)) break;
  }
  const last = tries.at(-1);
  return {
    pod: objectKey(pod),
    node: pod.spec?.nodeName ?? '',
    question: { name, type },
    resolvConf: { nameservers, searches, options },
    tries,
    roundTrips: tries.reduce((sum, { reply }) => sum + reply.roundTrips, 0),
    milliseconds: tries.reduce((sum, { reply }) => sum + reply.milliseconds, 0),
    found: last?.reply.rcode === 'NOERROR' && last.answers.some((answer) => answer.type === type),
  };
}

interface Asked {
  readonly pod: string;
  readonly name: string;
  readonly type: string;
  readonly nameservers: readonly string[];
}

/** Asks one server after the other until one answers. */
async function ask(
  control: ControlClient,
  sources: Sources,
  { pod, name, type, nameservers }: Asked,
): Promise<Try> {
  let last: Try | undefined;
  for (const server of nameservers) {
    const before = await control.call('dnsLog', { from: {} });
    const question = { pod, name, type: typeNumber(type) ?? 0, server };
    const reply = await control.call('dnsAsk', question);
    if (reply === null)
      throw new PodnetError(`Pod ${pod} does not run`, {
        code: 'pod-not-running',
        where: `pod ${pod}`,
        fix: `See what it waits for: kubectl describe pod ${pod.split('/')[1] ?? ''} -n ${pod.split('/')[0] ?? ''}`,
      });
    const from = Object.fromEntries(before.map((page) => [page.node, page.next]));
    const after = await control.call('dnsLog', { from });
    const seen = after
      .flatMap(({ entries }) => entries)
      .find((entry) => entry.pod === pod && entry.port === reply.port && entry.id === reply.id);
    const { answers, port: _port, id: _id, ...rest } = reply;
    last = {
      name,
      server,
      reply: rest,
      answers: answers.map((record) => ({ ...record, ...sources.of(record) })),
      ...(seen !== undefined && { from: seen.from }),
    };
    if (reply.rcode !== undefined) return last;
  }
  if (last === undefined) throw new TypeError('no name server');
  return last;
}

const origins: Readonly<Record<AnswerOrigin, string>> = {
  zone: 'the cluster’s zone, on its own node',
  memory: 'memory of its node: the cache, or the Corefile',
  upstream: 'an upstream resolver that its node asked',
};

function printReport({ pod, node, question, resolvConf: settings, ...report }: DnsQueryReport): string {
  const { searches } = settings;
  const dots = question.name.split('.').length - 1;
  const ndots = ndotsOf(settings);
  const order = question.name.endsWith('.')
    ? 'a complete name: no search list'
    : `${dots} dot${dots === 1 ? '' : 's'}, ndots:${ndots}: ${dots >= ndots ? 'as it stands first' : 'the search list first'}`;
  const head = [
    `${out.bold(`Pod ${pod}`)} on ${node} asks ${settings.nameservers.join(', ')} for ${out.bold(`${question.name} ${question.type}`)}`,
    out.dim(`search ${searches.join(' ') || '-'}   (${order})`),
  ];
  const total = `${report.roundTrips} round trip${report.roundTrips === 1 ? '' : 's'}, ${report.milliseconds.toFixed(1)} ms`;
  const end = report.found ? out.green(`found: ${total}`) : out.red(`not found: ${total}`);
  return [...head, ...report.tries.flatMap(printTry), end].join('\n');
}

function printTry({ name, server, reply, answers, from }: Try, index: number): readonly string[] {
  const isFound = reply.rcode === 'NOERROR' && answers.length > 0;
  const verdict =
    reply.rcode === 'NOERROR' && answers.length === 0 ? 'NODATA' : (reply.rcode ?? reply.problem ?? '');
  const facts = [`${reply.milliseconds.toFixed(1)} ms`, reply.transport, `from ${server}`].join(', ');
  return [
    `${index + 1}. ${out.bold(`${name}.`)}  ${isFound ? out.green(verdict) : out.yellow(verdict)}  ${out.dim(facts)}`,
    ...(from === undefined ? [] : [`   answered by ${origins[from]}`]),
    ...answers.flatMap((answer) => {
      const { type, ttlSeconds, data, source } = answer;
      const owner = printKey(nameKey(answer.name)) === name ? '' : `${answer.name}. `;
      return [
        `   ${out.green('→')} ${owner}${type} ${data}  ${out.dim(`TTL ${ttlSeconds} s`)}`,
        ...(source === undefined ? [] : [out.dim(`     ${source}`)]),
      ];
    }),
  ];
}
