import { connectControl, type ControlClient } from '../lab/control/client.ts';
import { applyManifests, type Problem } from '../lab/manifests/apply.ts';
import { loadManifests, type ManifestObject } from '../lab/manifests/load.ts';
import { PodnetError } from '../model/errors.ts';
import { openCluster, type RunningCluster } from './cluster.ts';
import { exampleManifests } from './example.ts';
import { waitUntilReady, type Readiness } from './readiness.ts';
import { printSummary, summarize, type ClusterSummary } from './summary.ts';
import { createProgress, duration, err, note, out, printResult, type Progress } from './terminal.ts';

/** Kinds the lab keeps but does not run yet. */
const stored = new Set([
  'StatefulSet',
  'DaemonSet',
  'Job',
  'CronJob',
  'Ingress',
  'NetworkPolicy',
  'ReplicationController',
]);

async function connect(name: string): Promise<ControlClient> {
  const control = await connectControl(name);
  if (control === undefined) throw new PodnetError('The lab ended as soon as it began', { code: 'lab-gone' });
  return control;
}

/** What a shell calls a program that was interrupted: 128 and SIGINT. */
const interruptedCode = 130;

async function apply(
  cluster: RunningCluster,
  manifests: readonly ManifestObject[],
  progress: Progress,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  let applied = 0;
  const idle = new Set<string>();
  for await (const result of applyManifests(cluster.client, manifests)) {
    if (result.outcome === 'refused') {
      problems.push(...result.problems);
      for (const { where, message } of result.problems) {
        progress.line(`${err.red('error:')} ${where}: ${result.manifest.title}: ${message}`);
      }
    } else {
      applied += 1;
      if (stored.has(result.manifest.object.kind)) idle.add(result.manifest.title);
    }
    progress.step('manifests', `${applied} of ${manifests.length} objects applied`);
  }
  const refused = manifests.length - applied;
  const text = `${applied} objects applied${refused > 0 ? `, ${refused} refused` : ''}`;
  progress.step('manifests', text, { done: refused === 0 });
  if (idle.size > 0) {
    progress.line(`${err.yellow('note:')} kept, but nothing acts on it yet: ${[...idle].join(', ')}`);
  }
  return problems;
}

/** Services whose selector finds no pod: almost always a label that was mistyped. */
function idleServices(summary: ClusterSummary, manifests: readonly ManifestObject[]): string[] {
  return manifests.flatMap(({ object, title, where }) => {
    if (object.kind !== 'Service') return [];
    const { selector } = (object as { spec?: { selector?: Record<string, string> } }).spec ?? {};
    const namespace = object.metadata?.namespace ?? 'default';
    const found = summary.services.find(
      (one) => one.namespace === namespace && one.name === object.metadata?.name,
    );
    if (selector === undefined || found === undefined || found.readyEndpoints > 0) return [];
    const labels = Object.entries(selector).map(([key, value]) => `${key}=${value}`);
    return [`${where('spec.selector')}: ${title}: spec.selector (${labels.join(', ')}) matches no ready pod`];
  });
}

function reportPods(progress: Progress): (state: Readiness) => void {
  return ({ nodesReady, nodes, podsReady, pods, waiting, done }) => {
    progress.step('nodes', `${nodesReady} of ${nodes} ready`, { done: nodesReady >= nodes });
    progress.step('pods', `${podsReady} of ${pods} ready`, { done, detail: waiting });
  };
}

/** Commands worth typing next, made of what is there. */
function suggestions(cluster: RunningCluster, summary: ClusterSummary): string {
  const name = cluster.info.name === 'podnet' ? '' : ` --name ${cluster.info.name}`;
  const pod = summary.pods.find(({ status, namespace }) => status === 'Running' && namespace === 'default');
  const target = summary.services.findLast(
    (service) =>
      service.readyEndpoints > 0 && service.namespace === 'default' && service.ports.includes('/TCP'),
  );
  const lines = ['kubectl get pods -o wide'];
  if (pod !== undefined && target !== undefined) {
    const port = /\d+/.exec(target.ports)?.[0] ?? '80';
    lines.push(
      `kubectl exec ${pod.name} -- curl -s http://${target.name}:${port}`,
      `./podnet trace ${pod.name} svc/${target.name}:${port}${name}`,
    );
  }
  lines.push(`./podnet enter node-1${name} -- ip route`, `./podnet down${name}`);
  return lines.map((line) => `  ${line}`).join('\n');
}

async function untilReady(
  cluster: RunningCluster,
  manifests: readonly ManifestObject[],
  options: BringUpOptions,
): Promise<number> {
  const { nodes, timeoutMs, startedMs, interrupted } = options;
  const progress = createProgress();
  try {
    progress.step(
      'control plane',
      `${cluster.info.server}, after ${duration(performance.now() - startedMs)}`,
      { done: true },
    );
    const problems = await apply(cluster, manifests, progress);
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), interrupted]);
    let last: Readiness | undefined;
    const show = reportPods(progress);
    const ready = await waitUntilReady(cluster.client, nodes, {
      signal,
      report: (state) => {
        last = state;
        show(state);
      },
    });
    progress.end();
    if (interrupted.aborted) return interruptedCode;
    const summary = await summarize(cluster.client);
    printResult(`\n${printSummary(summary)}\n`);
    for (const line of idleServices(summary, manifests)) note(`${err.yellow('warning:')} ${line}`);
    if (!ready) {
      note(`${err.red('error:')} not ready after ${duration(timeoutMs)}:`);
      for (const line of last?.waiting ?? []) note(`  ${line}`);
      note('  Look closer with: kubectl describe pod NAME');
    } else if (problems.length > 0) {
      note(
        `${err.red('error:')} ${problems.length} problem${problems.length === 1 ? '' : 's'} in the manifests, see above. Correct them and run kubectl apply -f.`,
      );
    }
    if (ready)
      printResult(`${out.bold(`Ready in ${duration(performance.now() - startedMs)}.`)} To use it:\n`);
    printResult(
      `  export KUBECONFIG=${cluster.kubeconfig}\n\nThen try:\n\n${suggestions(cluster, summary)}\n`,
    );
    return ready && problems.length === 0 ? 0 : 1;
  } finally {
    progress.end();
  }
}

export interface BringUpOptions {
  readonly name: string;
  readonly nodes: number;
  readonly filename: readonly string[];
  readonly detach: boolean;
  readonly timeoutMs: number;
  /** By `performance.now()`. */
  readonly startedMs: number;
  readonly interrupted: AbortSignal;
}

/** Fills a lab that is being launched and, unless detached, stays with it to its end. Resolves with the exit code. */
export async function bringUp(launching: Promise<void>, options: BringUpOptions): Promise<number> {
  const { name, detach, interrupted } = options;
  let manifests: ManifestObject[] | undefined;
  try {
    manifests = loadManifests(options.filename.length > 0 ? options.filename : [exampleManifests]);
  } finally {
    // Manifests are read while the lab starts; when they cannot be, it ends before anyone saw it.
    await launching;
    if (manifests === undefined) await end(await connect(name));
  }
  const control = await connect(name);
  // Until the user has seen all there is to see, the lab lives and dies with this process.
  if (!detach) await control.call('own', {});
  const cluster = await openCluster(control);
  const code = interrupted.aborted ? interruptedCode : await untilReady(cluster, manifests, options);
  if (detach && !interrupted.aborted) {
    cluster.close();
    return code;
  }
  if (!interrupted.aborted) {
    note(err.dim('Ctrl-C takes the cluster down.'));
    await Promise.race([new Promise((done) => interrupted.addEventListener('abort', done)), control.closed]);
  }
  await end(control);
  cluster.close();
  note(`Cluster ${name} is down; nothing is left.`);
  return code === interruptedCode ? code : 0;
}

async function end(control: ControlClient): Promise<void> {
  await control.call('stop', {}).catch(() => undefined); // It may be gone already, which is as well.
  await control.closed;
}
