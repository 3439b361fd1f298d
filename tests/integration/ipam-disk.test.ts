/** A disk that cannot be written to, and a full one: each says so, and a pod leaves the network all the same. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createPodNetwork, type NodePodNetwork } from '../../src/cni/podnet.ts';
import { createNetns } from '../../src/kernel/netns.ts';
import { runProgram } from '../../src/kernel/process.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { PodnetError } from '../../src/model/errors.ts';
import type { Sandbox } from '../../src/cni/pod-network.ts';
import { AnsweredError, ours } from './support/cni.ts';

async function mount(...args: readonly string[]): Promise<void> {
  const { status, stderr } = await runProgram('mount', args);
  assert.equal(status, 0, stderr);
}

/** A file system of its own, in this test's mount namespace. */
async function disk(t: TestContext, options: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-disk-'));
  mkdirSync(join(directory, 'disk'));
  await mount('-t', 'tmpfs', '-o', options, 'podnet-test', join(directory, 'disk'));
  t.after(async () => {
    await runProgram('umount', ['-l', join(directory, 'disk')]);
    rmSync(directory, { recursive: true });
  });
  return join(directory, 'disk');
}

function sandbox(t: TestContext, containerId: string): Sandbox {
  const netns = createNetns();
  t.after(() => netns.close());
  return { containerId, namespace: 'default', name: containerId, uid: '', netns };
}

const hasCode = (code: string) => (error: unknown) =>
  error instanceof PodnetError && error.code === code && error.fix !== undefined && error.where !== undefined;

const open = (databasePath: string, podCidr = '10.9.0.0/16'): NodePodNetwork =>
  createPodNetwork({ podCidr, databasePath });

test('a read-only disk: ADD and STATUS fail with the reason, DEL takes the pod off the network and says the same', async (t) => {
  const dataDir = await disk(t, 'size=4m');
  const config = { type: 'podnet', name: 'disk', podCIDR: '10.9.0.0/24', dataDir };
  const [pod, other] = [sandbox(t, 'a'), sandbox(t, 'b')];
  const added = await ours('ADD', { config, ...pod });
  await mount('-o', 'remount,ro', dataDir);
  const fails = (code: number) => (error: unknown) =>
    error instanceof AnsweredError && error.code === code && /read-only/.test(error.message);
  await assert.rejects(ours('ADD', { config, ...other }), fails(5));
  await assert.rejects(ours('STATUS', { config }), fails(50));
  await assert.rejects(ours('DEL', { config, ...pod }), fails(5));
  const rtnl = openRtnl();
  assert.equal(rtnl.link(added.interfaces?.[0]?.name ?? ''), undefined);
  rtnl.close();
  await mount('-o', 'remount,rw', dataDir);
  await ours('DEL', { config, ...pod });
  const network = open(join(dataDir, 'disk.db'));
  assert.deepEqual(network.allocations(), []);
  network.close();
});

test('a full disk: ADD fails with the reason and leaves nothing behind; with room it goes on', async (t) => {
  const directory = await disk(t, 'size=256k');
  const network = open(join(directory, 'node.db'));
  await network.add(sandbox(t, 'a'));
  const filler = join(directory, 'filler');
  for (let size = 256; size > 0; size -= 4) {
    try {
      writeFileSync(filler, Buffer.alloc(size << 10));
      break;
    } catch {
      // Less, then.
    }
  }
  await assert.rejects(async () => {
    for (let index = 0; index < 50; index += 1) await network.add(sandbox(t, `b${index}`));
  }, hasCode('ipam-disk-full'));
  const before = network.allocations().length;
  rmSync(filler);
  await network.add(sandbox(t, 'c'));
  assert.equal(network.allocations().length, before + 1);
  network.close();
});
