import { dirname, join } from 'node:path';
import { connectControl, type ControlClient } from '../lab/control/client.ts';
import { applyManifests, type Problem } from '../lab/manifests/apply.ts';
import { loadManifests, type ManifestObject } from '../lab/manifests/load.ts';
import { whatIsIdle } from '../lab/idle-kinds.ts';
import { PodnetError } from '../model/errors.ts';
import { openCluster, type RunningCluster } from './cluster.ts';
import { exampleManifests } from './example.ts';
import { waitUntilReady, type Readiness } from './readiness.ts';
import { printSummary, summarize, type ClusterSummary } from './summary.ts';
import { createProgress, duration, err, note, out, printResult, type Progress } from './terminal.ts';

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
  const idle: string[] = [];
  for await (const result of applyManifests(cluster.client, manifests)) {
    if (result.outcome === 'refused') {
      problems.push(...result.problems);
      for (const { where, message } of result.problems) {
        progress.line(`${err.red('error:')} ${where}: ${result.manifest.title}: ${message}`);
      }
    } else {
      applied += 1;
      const words = whatIsIdle(result.manifest.object);
      if (words !== undefined)
        idle.push(`${result.manifest.where('kind')}: ${result.manifest.title}: ${words}`);
    }
    progress.step('manifests', `${applied} of ${manifests.length} objects applied`);
  }
  const refused = manifests.length - applied;
  const text = `${applied} objects applied${refused > 0 ? `, ${refused} refused` : ''}`;
  progress.step('manifests', text, { done: refused === 0, failed: refused > 0 });
  for (const line of idle) progress.line(`${err.yellow('note:')} ${line}`);
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
  options: BringUpOptions & { readonly progress: Progress },
): Promise<number> {
  const { nodes, timeoutMs, startedMs, interrupted, progress } = options;
  try {
    const after = duration(performance.now() - startedMs);
    progress.step('control plane', `${cluster.info.server}, after ${after}`, { done: true });
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
      note(`  The lab's own log: ${join(dirname(cluster.kubeconfig), 'lab.log')}`);
    } else if (problems.length > 0) {
      note(
        `${err.red('error:')} ${problems.length} problem${problems.length === 1 ? '' : 's'} in the manifests, see above. Correct them and run kubectl apply -f.`,
      );
    }
    const took = out.bold(`Ready in ${duration(performance.now() - startedMs)}.`);
    if (ready) printResult(`${problems.length > 0 ? 'What was accepted is ready.' : took} To use it:\n`);
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
  const progress = createProgress();
  let manifests: ManifestObject[] | undefined;
  try {
    manifests = loadManifests(options.filename.length > 0 ? options.filename : [exampleManifests]);
  } finally {
    // Manifests are read while the lab starts; when they cannot be, it ends before anyone saw it.
    if (manifests !== undefined) progress.step('control plane', 'starting');
    await launching.catch((error: unknown) => {
      progress.end();
      throw error;
    });
    if (manifests === undefined) await end(await connect(name));
  }
  const control = await connect(name);
  // Until the user has seen all there is to see, the lab lives and dies with this process.
  if (!detach) await control.call('own', {});
  const cluster = await openCluster(control);
  const code = interrupted.aborted
    ? interruptedCode
    : await untilReady(cluster, manifests, { ...options, progress });
  if (detach && !interrupted.aborted) {
    cluster.close();
    return code;
  }
  if (!interrupted.aborted) {
    note(err.dim('Ctrl-C takes the cluster down.'));
    await Promise.race([new Promise((done) => interrupted.addEventListener('abort', done)), control.closed]);
  }
  if (!interrupted.aborted) {
    throw new PodnetError(`Cluster ${name} ended by itself, or was ended by another command`, {
      code: 'lab-gone',
      fix: 'Nothing of it is left. Start it again with: ./podnet up',
    });
  }
  await end(control);
  cluster.close();
  note(`Cluster ${name} is down; nothing is left.`);
  return code;
}

async function end(control: ControlClient): Promise<void> {
  await control.call('stop', {}).catch(() => undefined); // It may be gone already, which is as well.
  await control.closed;
}
