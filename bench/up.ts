/** `podnet up` from the command to every pod ready, and what the cluster weighs. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { BenchRow } from './row.ts';

const podnet = resolve(import.meta.dirname, '..', 'podnet');
const name = `bench-${process.pid}`;

function deployment(app: string, replicas: number): string {
  const metadata = { name: app };
  const container = { name: 'echo', image: 'example/echo', ports: [{ containerPort: 8080 }] };
  const template = { metadata: { labels: { app } }, spec: { containers: [container] } };
  const spec = { replicas, selector: { matchLabels: { app } }, template };
  return `${JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec })}\n---\n`;
}

/** Proportional set size of the lab's process and everything below it (proc_pid_smaps(5)) and its files, in MB. */
function weightMb(pid: number): number {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    try {
      const parent = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${entry}/status`, 'utf8'))?.[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    } catch {
      // It ended while we looked.
    }
  }
  const files = execFileSync('du', ['-sk', `/proc/${pid}/root/run/podnet`], { encoding: 'utf8' });
  let total = Number.parseInt(files, 10);
  const queue = [pid];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    total += Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${next}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    queue.push(...(children.get(next) ?? []));
  }
  return total / 1024;
}

interface Run {
  readonly seconds: number;
  readonly megabytes: number;
}

function run(manifest: string, ...more: readonly string[]): Run {
  const folder = mkdtempSync(join(tmpdir(), 'podnet-bench-'));
  const file = join(folder, 'app.yaml');
  writeFileSync(file, manifest);
  try {
    const started = performance.now();
    execFileSync(podnet, ['up', '-d', '--name', name, '-f', file, ...more], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const seconds = (performance.now() - started) / 1000;
    const kubeconfig = execFileSync(podnet, ['kubeconfig', '--name', name], { encoding: 'utf8' });
    return { seconds, megabytes: weightMb(Number(/^\/proc\/(\d+)\//.exec(kubeconfig)?.[1])) };
  } finally {
    execFileSync(podnet, ['down', '--name', name], { stdio: 'ignore' });
    rmSync(folder, { recursive: true });
  }
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** What this machine needs to start one Node process that does nothing. */
function nodeStartSeconds(): number {
  const times = Array.from({ length: 5 }, () => {
    const started = performance.now();
    execFileSync(process.execPath, ['-e', '0']);
    return (performance.now() - started) / 1000;
  });
  return median(times);
}

export async function rows(): Promise<BenchRow[]> {
  const start = nodeStartSeconds();
  const peer = `an empty Node process starts in ${start.toFixed(3)} s`;
  // The first run after a change compiles; users pay that once.
  run(deployment('warm', 1));
  const ten = Array.from({ length: 3 }, () => run(deployment('a', 5) + deployment('b', 5)));
  const small = {
    seconds: median(ten.map((one) => one.seconds)),
    megabytes: median(ten.map((one) => one.megabytes)),
  };
  const large = run(
    Array.from({ length: 10 }, (_, index) => deployment(`echo-${index}`, 100)).join(''),
    '--node-cidr-mask-size',
    '22',
  );
  const perPod = ((large.megabytes - small.megabytes) / 990) * 1024;
  return [
    {
      figure: 'up: 3 nodes, 10 pods ready',
      value: small.seconds,
      unit: 's',
      comparedWith: peer,
      ratio: small.seconds / start,
      target: '≤ 1.5 s',
      ok: small.seconds <= 1.5,
    },
    {
      figure: 'up: 3 nodes, 1,000 pods ready',
      value: large.seconds,
      unit: 's',
      comparedWith: `10 pods: ${small.seconds.toFixed(2)} s`,
      ratio: large.seconds / small.seconds,
      target: '≤ 15 s',
      ok: large.seconds <= 15,
    },
    {
      figure: 'memory with 1,000 pods, in all',
      value: large.megabytes,
      unit: 'MB',
      comparedWith: `10 pods: ${small.megabytes.toFixed(0)} MB; ${perPod.toFixed(0)} KiB a pod`,
      ratio: large.megabytes / small.megabytes,
      target: '≤ 400 MB',
      ok: large.megabytes <= 400,
    },
  ];
}
