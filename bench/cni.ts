/**
 * What a container runtime waits for: ADD and DEL of podnet's plugins, through the forwarder to a running server, beside
 * those of containernetworking's plugins (Debian's package), in turns. Times are those of whole processes, taken by
 * cni/runner.c.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TRASH_LINK_GROUP } from '../src/cni/pod-link-plan.ts';
import { pluginNames } from '../src/cni/plugins/registry.ts';
import { installPlugins } from '../src/cni/runtime/install-plugins.ts';
import { buildShim } from '../src/cni/server/build-shim.ts';
import { type Netns, createNetns } from '../src/kernel/netns.ts';
import { findProgram } from '../src/kernel/process.ts';
import { openRtnl } from '../src/kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../src/kernel/sysctl.ts';
import type { BenchRow } from './row.ts';

const DEBIAN = '/usr/lib/cni';
/** Subjects take turns, so that whatever else the machine does falls on all. The first round loads code: it is not counted. */
const ROUNDS = 8;
/** One after the other, in every round. */
const PODS = 20;
/** At once. Done twice, the better time counts. */
const CROWD = 100;

interface Subject {
  readonly name: string;
  readonly plugin: string;
  readonly directory: string;
  readonly config: object;
}

interface Measured {
  readonly add: number[];
  readonly del: number[];
  readonly crowdMs: number[];
}

export async function rows(): Promise<BenchRow[]> {
  if (findProgram(`${DEBIAN}/bridge`) === undefined)
    throw new Error('containernetworking-plugins is not installed: there is nothing to compare with');
  const root = mkdtempSync(join(tmpdir(), 'podnet-bench-cni-'));
  const rtnl = openRtnl();
  rtnl.setLink('lo', { up: true });
  rtnl.close();
  writeSysctl('net.ipv4.ip_forward', 1);
  const server = await startServer(root);
  try {
    const runner = compile(root, join(import.meta.dirname, 'cni/runner.c'));
    const nothing = compile(root, writeSource(root));
    // The same for all: the kernel removes namespaces in the background, and keeps the lock on links while it does.
    const namespaces = Array.from({ length: CROWD }, () => createNetns());
    const bench = { root, runner, namespaces };
    const ours = join(root, 'bin');
    const subjects = {
      podnet: subject('podnet', 'podnet', ours, {}),
      plain: subject('bridge', 'bridge', ours, bridge('ours0', '10.81.0.0/16', root, false)),
      masq: subject('bridge ipMasq', 'bridge', ours, bridge('ours1', '10.82.0.0/16', root, true)),
      debian: subject('debian', 'bridge', DEBIAN, bridge('debian0', '10.83.0.0/16', root, false)),
      debianMasq: subject('debianmasq', 'bridge', DEBIAN, bridge('debian1', '10.84.0.0/16', root, true)),
    };
    const measured = new Map(
      Object.values(subjects).map((one): [Subject, Measured] => [one, { add: [], del: [], crowdMs: [] }]),
    );
    for (let round = 0; round < ROUNDS; round++) {
      console.error(`bench: round ${round + 1} of ${ROUNDS}`);
      for (const [one, times] of measured) {
        const { add, del } = oneByOne(one, bench);
        await settled();
        if (round === 0) continue;
        times.add.push(...add);
        times.del.push(...del);
        if (round > 2) continue;
        times.crowdMs.push(atOnce(one, bench));
        await settled();
      }
    }
    const compared = (mine: Subject, theirs: Subject): BenchRow[] => {
      const [own, peer] = [measured.get(mine), measured.get(theirs)];
      return own && peer ? comparison(mine.name, own, peer) : [];
    };
    return [
      ...compared(subjects.podnet, subjects.debian),
      ...compared(subjects.plain, subjects.debian),
      ...compared(subjects.masq, subjects.debianMasq),
      forwarder({ root, runner }, { ours, nothing }),
    ];
  } finally {
    server.kill();
    rmSync(root, { recursive: true });
  }
}

function subject(name: string, plugin: string, directory: string, config: object): Subject {
  return {
    name,
    plugin,
    directory,
    config: { cniVersion: '1.0.0', name: name.replaceAll(' ', ''), type: plugin, ...config },
  };
}

const bridge = (name: string, subnet: string, root: string, ipMasq: boolean): object => ({
  bridge: name,
  isDefaultGateway: true,
  ipMasq,
  ipam: { type: 'host-local', ranges: [[{ subnet }]], dataDir: join(root, 'addresses') },
});

interface Bench {
  readonly root: string;
  readonly runner: string;
  readonly namespaces: readonly Netns[];
}

/** What `use` needs to call a subject for containers, which it is to take off the network again. */
function withContainers<T>(
  count: number,
  { plugin, directory, config }: Subject,
  { root, namespaces }: Bench,
  use: (jobs: (command: string) => string[]) => T,
): T {
  const file = join(root, 'config.json');
  writeFileSync(file, JSON.stringify(config));
  return use((command) =>
    namespaces
      .slice(0, count)
      .map(
        ({ fd, inode }) =>
          `${command} bench-${inode} /proc/${process.pid}/fd/${fd} ${join(directory, plugin)} ${file} ${directory}`,
      ),
  );
}

function oneByOne(one: Subject, bench: Bench): { add: number[]; del: number[] } {
  return withContainers(PODS, one, bench, (jobs) => ({
    add: run(bench.runner, '1', jobs('ADD')),
    del: run(bench.runner, '1', jobs('DEL')),
  }));
}

function atOnce(one: Subject, bench: Bench): number {
  return withContainers(CROWD, one, bench, (jobs) => {
    const times = run(bench.runner, '0', jobs('ADD'));
    run(bench.runner, '0', jobs('DEL'));
    return Math.max(...times);
  });
}

/** Waits until links that were taken out of service are deleted: the kernel does one thing at a time with links. */
async function settled(): Promise<void> {
  const rtnl = openRtnl();
  const deadline = Date.now() + 20_000;
  while (rtnl.links().some(({ group }) => group === TRASH_LINK_GROUP)) {
    if (Date.now() > deadline) throw new Error('links of deleted containers stay');
    await new Promise((done) => setTimeout(done, 20));
  }
  // They are out of the list before the kernel has given the lock on links back: a change waits for it.
  rtnl.setLink('lo', { up: true });
  rtnl.close();
}

/** Milliseconds of each job. */
function run(runner: string, parallel: string, jobs: readonly string[]): number[] {
  const { stdout, status, stderr } = spawnSync(runner, [parallel], {
    input: `${jobs.join('\n')}\n`,
    encoding: 'utf8',
  });
  const results = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
  const failed = results.filter(([, code]) => code !== 0).length;
  if (status !== 0 || failed > 0 || results.length !== jobs.length)
    throw new Error(`${failed} of ${jobs.length} failed (${jobs[0]}): ${stderr.slice(0, 2000)}`);
  return results.map(([micros = 0]) => micros / 1000);
}

function comparison(name: string, mine: Measured, theirs: Measured): BenchRow[] {
  const row = (
    figure: string,
    [value, peer]: readonly [number, number],
    target: { readonly ms: number; readonly ratio?: number },
  ): BenchRow => ({
    figure: `${name} ${figure}`,
    value,
    unit: 'ms',
    comparedWith: `Debian's bridge, ${peer.toFixed(1)} ms`,
    ratio: value / peer,
    target: `≤ ${target.ms} ms${target.ratio ? ', a third of it' : ''}`,
    ok: value <= target.ms && value / peer <= (target.ratio ?? Infinity),
  });
  const both = (pick: (of: Measured) => number): readonly [number, number] => [pick(mine), pick(theirs)];
  return [
    row(
      'ADD, median',
      both(({ add }) => quantile(add, 0.5)),
      { ms: 5, ratio: 1 / 3 },
    ),
    row(
      'ADD, p99',
      both(({ add }) => quantile(add, 0.99)),
      { ms: 15 },
    ),
    row(
      'DEL, median',
      both(({ del }) => quantile(del, 0.5)),
      { ms: 3, ratio: 1 / 3 },
    ),
    row(
      `${CROWD} ADDs at once`,
      both(({ crowdMs }) => Math.min(...crowdMs)),
      { ms: 500 },
    ),
  ];
}

/** A request that the server answers at once, beside a static program that does nothing at all. */
function forwarder(
  { root, runner }: Pick<Bench, 'root' | 'runner'>,
  { ours, nothing }: { ours: string; nothing: string },
): BenchRow {
  const file = join(root, 'loopback.json');
  writeFileSync(file, JSON.stringify({ cniVersion: '1.1.0', name: 'lo', type: 'loopback' }));
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < 300; round++) {
    for (const [index, program] of [join(ours, 'loopback'), nothing].entries()) {
      const [value = 0] = run(runner, '1', [`STATUS - - ${program} ${file} ${ours}`]);
      times[index]?.push(value);
    }
  }
  const [forwarded, empty] = [quantile(times[0], 0.5), quantile(times[1], 0.5)];
  return {
    figure: 'forwarder and an empty request, median',
    value: forwarded - empty,
    unit: 'ms',
    comparedWith: `a static program that does nothing, ${empty.toFixed(2)} ms, taken off`,
    target: '≤ 1 ms',
    ok: forwarded - empty <= 1,
  };
}

async function startServer(root: string): Promise<{ kill(): void }> {
  const socket = join(root, 'cni.sock');
  installPlugins({
    directory: join(root, 'bin'),
    shim: await buildShim(),
    names: pluginNames,
    config: { socket, spool: join(root, 'spool'), program: '/nonexistent' },
  });
  mkdirSync(join(root, 'spool'));
  const args = [
    join(import.meta.dirname, 'cni/server.ts'),
    socket,
    join(root, 'spool'),
    join(root, 'node.db'),
  ];
  const server = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const deadline = Date.now() + 10_000;
  while (!existsSync(socket)) {
    if (server.exitCode !== null || Date.now() > deadline) throw new Error('the server does not listen');
    await new Promise((done) => setTimeout(done, 10));
  }
  return server;
}

function compile(root: string, source: string): string {
  const output = join(root, `program-${source.length}`);
  const compiler = findProgram('musl-gcc') ?? findProgram('gcc') ?? 'cc';
  const { status, stderr } = spawnSync(compiler, ['-O2', '-static', '-o', output, source], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${compiler}: ${stderr}`);
  return output;
}

function writeSource(root: string): string {
  const file = join(root, 'nothing.c');
  writeFileSync(file, 'int main(void) { return 0; }\n');
  return file;
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}
