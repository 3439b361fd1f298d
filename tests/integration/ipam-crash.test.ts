/**
 * Fifty ADDs and DELs at once and `kill -9` in the middle, a hundred times for the agent, a hundred times for the plugin
 * without agent, forty for host-local. Prints the crash table: what was left over after each moment.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { POD_LINK_GROUP, POD_ROUTE_PROTOCOL, readAlias } from '../../src/cni/pod-link-plan.ts';
import type { LinkMode } from '../../src/cni/pod-network.ts';
import { createPodNetwork } from '../../src/cni/podnet.ts';
import { createNetns, type Netns } from '../../src/kernel/netns.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { tryParseIp } from '../../src/model/ip.ts';
import { netnsPath, ours } from './support/cni.ts';
import { moments, type CrashJob } from './support/crash-job.ts';

const PODS = 50;
const POD_CIDR = '10.9.0.0/24';
const node = openRtnl();
const pods: { containerId: string; netns: Netns }[] = [];
const directory = mkdtempSync(join(tmpdir(), 'podnet-crash-'));

before(() => {
  node.setLink('lo', { up: true });
  for (let index = 0; index < PODS; index += 1)
    pods.push({ containerId: `pod-${index}`, netns: createNetns() });
});
after(() => {
  for (const { netns } of pods) netns.close();
  node.close();
  rmSync(directory, { recursive: true });
});

interface Found {
  /** Addresses that nobody has, links and routes that nobody owns. */
  leaks: number;
  /** Addresses that two pods have. */
  doubles: number;
  /** Pods that an ADD was answered for and that are not as it said. */
  lost: number;
}

const nothing = { leaks: 0, doubles: 0, lost: 0 } as const satisfies Found;

function worker(job: CrashJob): ChildProcess {
  const file = join(import.meta.dirname, 'support/crash-worker.ts');
  const flags = ['--disable-warning=ExperimentalWarning'];
  return spawn(process.execPath, [...flags, file, JSON.stringify(job)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function exited(child: ChildProcess): Promise<NodeJS.Signals | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.signalCode;
  return new Promise((done) => child.once('exit', (_code, signal) => done(signal)));
}

/** Who a container runtime believes to be connected: answered, and not asked to go since. */
function answered(files: readonly string[]): Map<string, string> {
  const alive = new Map<string, string>();
  for (const line of files.flatMap((file) =>
    existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [],
  )) {
    const [word, containerId = '', address = ''] = line.split(' ');
    if (word === 'ADD') alive.set(containerId, address);
    if (word === 'DEL') alive.delete(containerId);
  }
  return alive;
}

/** The address each pod really has, of those whose link is in service. */
function connected(): Map<string, string> {
  const found = new Map<string, string>();
  for (const { containerId, netns } of pods) {
    const rtnl = openRtnl({ netns });
    const link = rtnl.link('eth0');
    const peer = link?.peerIndex === undefined ? undefined : node.link(link.peerIndex);
    const address = link && rtnl.addresses({ link: link.index, family: 4 })[0]?.address;
    if (peer?.up && peer.group === POD_LINK_GROUP && address !== undefined) found.set(containerId, address);
    rtnl.close();
  }
  return found;
}

function compare(
  kept: ReadonlyMap<string, string>,
  { files, real }: { files: readonly string[]; real: ReadonlyMap<string, string> },
): Found {
  const ofKernel = new Set(
    node
      .links()
      .flatMap(({ group, alias, name }) =>
        group === POD_LINK_GROUP ? (readAlias(alias)?.containerId ?? name) : [],
      ),
  );
  const routes = node
    .routes({ protocol: POD_ROUTE_PROTOCOL, family: 4 })
    .map(({ dst }) => dst.split('/')[0] ?? '');
  const addresses = [...real.values()];
  const has = new Set(addresses);
  return {
    leaks:
      [...kept].filter(([id, address]) => real.get(id) !== address).length +
      [...ofKernel].filter((id) => !kept.has(id)).length +
      routes.filter((address) => !has.has(address)).length,
    doubles: addresses.length - has.size,
    lost: [...answered(files)].filter(([id, address]) => real.get(id) !== address).length,
  };
}

type Row = Found & { readonly moment: string; kills: number };

function print(t: TestContext, title: string, rows: readonly Row[]): void {
  const width = Math.max(title.length, ...rows.map(({ moment }) => moment.length));
  t.diagnostic(`${title.padEnd(width)}  kills  leaks  doubles  lost`);
  for (const { moment, kills, leaks, doubles, lost } of rows) {
    const cells = [kills, leaks, doubles, lost].map((cell, index) =>
      String(cell).padStart([5, 5, 7, 4][index] ?? 0),
    );
    t.diagnostic(`${moment.padEnd(width)}  ${cells.join('  ')}`);
  }
}

function tally(
  rows: Map<string, Row>,
  moment: string,
  { kills, found }: { kills: number; found: Found },
): void {
  const row = rows.get(moment) ?? { moment, kills: 0, ...nothing };
  row.kills += kills;
  for (const key of ['leaks', 'doubles', 'lost'] as const) row[key] += found[key];
  rows.set(moment, row);
}

function assertClean(rows: Map<string, Row>, kills: number): void {
  let sum = 0;
  for (const { moment, leaks, doubles, lost, kills: count } of rows.values()) {
    assert.deepEqual({ leaks, doubles, lost }, nothing, moment);
    sum += count;
  }
  assert.equal(sum, kills);
}

/** Somewhere in the first half of the run. */
async function killSomewhere(child: ChildProcess, answers: string): Promise<void> {
  const wanted = 1 + Math.floor(Math.random() * PODS);
  const lines = (): number => (existsSync(answers) ? readFileSync(answers, 'utf8').split('\n').length : 0);
  const deadline = performance.now() + 20_000;
  while (lines() < wanted && child.exitCode === null && performance.now() < deadline) await sleep(1);
  child.kill('SIGKILL');
}

function jobPods(): CrashJob['pods'] {
  return pods.map(({ containerId, netns }) => ({ containerId, netns: netnsPath(netns) }));
}

test('the agent, killed in the middle of 50 ADDs and DELs a hundred times, leaks nothing and gives no address twice', async (t) => {
  const rows = new Map<string, Row>();
  const databasePath = join(directory, 'agent.db');
  const rounds = [
    ...moments.flatMap((moment) => Array.from({ length: 11 }, () => moment)),
    ...Array.from({ length: 12 }, () => undefined),
  ];
  for (const [round, moment] of rounds.entries()) {
    const linkMode: LinkMode = round % 2 === 0 ? 'routed' : 'bridge';
    const answers = join(directory, `agent-${round}`);
    const base = {
      kind: 'agent',
      pods: jobPods(),
      answers,
      linkMode,
      podCidr: POD_CIDR,
      databasePath,
      config: {},
    } as const;
    const child = worker({
      ...base,
      ...(moment && { moment }),
      occurrence: 1 + Math.floor(Math.random() * 30),
    });
    if (moment === undefined) await killSomewhere(child, answers);
    assert.equal(await exited(child), 'SIGKILL', moment ?? 'anywhere');
    const network = createPodNetwork({ podCidr: POD_CIDR, databasePath, linkMode });
    network.reconcile();
    await network.collect();
    const kept = new Map(network.allocations().map(({ containerId, address }) => [containerId, address]));
    const found = compare(kept, { files: [answers], real: connected() });
    tally(rows, moment ?? 'anywhere', { kills: 1, found });
    for (const { containerId } of pods) await network.del({ containerId });
    await network.collect();
    network.close();
  }
  print(t, 'agent', [...rows.values()]);
  assertClean(rows, 100);
});

test('the plugin without agent, four processes at a time and a hundred of them killed, leaks nothing that GC does not find', async (t) => {
  const rows = new Map<string, Row>();
  const dataDir = join(directory, 'alone');
  const config = { cniVersion: '1.1.0', name: 'crash', type: 'podnet', podCIDR: POD_CIDR, dataDir };
  for (let round = 0; round < 25; round += 1) {
    await crashTogether(
      rows,
      { kind: 'podnet', config, round, linkMode: round % 2 === 0 ? 'routed' : 'bridge' },
      async (valid) => {
        const validAttachments = [...valid.keys()].map((containerId) => ({ containerId, ifName: 'eth0' }));
        await ours('GC', { config, validAttachments });
        const network = createPodNetwork({ podCidr: POD_CIDR, databasePath: join(dataDir, 'crash.db') });
        const kept = new Map(network.allocations().map(({ containerId, address }) => [containerId, address]));
        network.close();
        return { kept, real: connected() };
      },
    );
    await ours('GC', { config, validAttachments: [] });
  }
  print(t, 'podnet without agent', [...rows.values()]);
  assertClean(rows, 100);
});

test('host-local, four processes at a time and forty of them killed, leaks nothing that GC does not find', async (t) => {
  const rows = new Map<string, Row>();
  const dataDir = join(directory, 'host-local');
  const ipam = { type: 'host-local', dataDir, ranges: [[{ subnet: POD_CIDR }]] };
  const config = { cniVersion: '1.1.0', name: 'crash', type: 'host-local', ipam };
  for (let round = 0; round < 10; round += 1) {
    await crashTogether(rows, { kind: 'host-local', config, round, linkMode: 'routed' }, async (valid) => {
      const validAttachments = [...valid.keys()].map((containerId) => ({ containerId, ifName: 'eth0' }));
      await ours('GC', { config, validAttachments });
      const kept = new Map(
        readdirSync(join(dataDir, 'crash'))
          .filter((name) => tryParseIp(name))
          .map((address) => [
            readFileSync(join(dataDir, 'crash', address), 'utf8').split(/\r?\n/)[0] ?? '',
            address,
          ]),
      );
      // Files are all there is: whoever was answered has what it was told.
      return { kept, real: valid };
    });
    await ours('GC', { config, validAttachments: [] });
  }
  print(t, 'host-local', [...rows.values()]);
  assertClean(rows, 40);
});

interface Together {
  readonly kind: 'podnet' | 'host-local';
  readonly config: CrashJob['config'] & { readonly type: string };
  readonly round: number;
  readonly linkMode: LinkMode;
}

/** Four processes share the pods. All are killed; what the runtime does then is `recover`'s. */
async function crashTogether(
  rows: Map<string, Row>,
  { kind, config, round, linkMode }: Together,
  recover: (
    valid: ReadonlyMap<string, string>,
  ) => Promise<{ kept: ReadonlyMap<string, string>; real: ReadonlyMap<string, string> }>,
): Promise<void> {
  const all = jobPods();
  const share = Math.ceil(all.length / 4);
  const workers = [0, 1, 2, 3].map((index) => {
    const answers = join(directory, `${kind}-${round}-${index}`);
    const mine = all.slice(index * share, (index + 1) * share);
    const base = { kind, pods: mine, answers, linkMode, podCidr: POD_CIDR, databasePath: '', occurrence: 0 };
    return { answers, child: worker({ ...base, config: { ...config, linkMode } }) };
  });
  await Promise.all(workers.map(async ({ child, answers }) => killSomewhere(child, answers)));
  const signals = await Promise.all(workers.map(async ({ child }) => exited(child)));
  const files = workers.map(({ answers }) => answers);
  const { kept, real } = await recover(answered(files));
  tally(rows, 'anywhere', { kills: signals.length, found: compare(kept, { files, real }) });
}
