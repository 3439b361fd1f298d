import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { eventually, podnetPath, run, whyNoCluster } from './support/cluster.ts';
import {
  livingNamespaces,
  machineState,
  ownNamespaces,
  processesOf,
  type MachineState,
} from './support/traces.ts';

const rounds = 20;
const name = `kill-${process.pid}`;

/** Moments spread over the whole life of a cluster: before its namespaces, while it starts, and when all is ready. */
const momentMs = (round: number): number => Math.round(30 + (round / (rounds - 1)) ** 2 * 2500);

function added(before: MachineState, after: MachineState): string[] {
  return (Object.keys(before) as (keyof MachineState)[]).flatMap((kind) =>
    after[kind].filter((line) => !before[kind].includes(line)).map((line) => `${kind}: ${line}`),
  );
}

test('kill -9 of everything at any moment leaves nothing behind, and the next up works', async (t) => {
  const reason = whyNoCluster();
  if (reason !== undefined) {
    t.skip(reason);
    return;
  }
  const before = machineState(name);
  const gone = async (when: string): Promise<void> => {
    const clean = async (): Promise<true | undefined> =>
      added(before, machineState(name)).length === 0 ? true : undefined;
    await eventually(when, clean).catch(() => assert.deepEqual(added(before, machineState(name)), [], when));
  };
  for (let round = 0; round < rounds; round += 1) {
    const child = spawn(podnetPath, ['up', '--name', name], { stdio: 'ignore' });
    const exited = new Promise<void>((done) => child.once('exit', () => done()));
    await new Promise((done) => setTimeout(done, momentMs(round)));
    const namespaces = ownNamespaces(processesOf(name));
    for (const pid of [child.pid ?? 0, ...processesOf(name)]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
      }
    }
    await exited;
    await eventually(`round ${round}: every process ends`, async () =>
      processesOf(name).length === 0 ? true : undefined,
    );
    await eventually('every namespace ends', async () =>
      livingNamespaces(namespaces).length === 0 ? true : undefined,
    );
    await gone(`round ${round}, killed after ${momentMs(round)} ms`);
  }
  const up = await run(podnetPath, ['up', '-d', '--name', name]);
  assert.equal(up.code, 0, up.stderr);
  const down = await run(podnetPath, ['down', '--name', name]);
  assert.equal(down.code, 0, down.stderr);
  await gone('after down');
});
