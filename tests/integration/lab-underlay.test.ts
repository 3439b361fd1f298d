import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { createNetns, withNetns, type Netns } from '../../src/kernel/netns.ts';
import { underlayAddresses } from '../../src/lab/links/addresses.ts';
import { createUnderlay } from '../../src/lab/links/underlay.ts';

/** The address a listener in `server` sees when a program in `client` connects to it. */
async function seenFrom(client: Netns, server: Netns, address: string): Promise<string> {
  const listener = createServer();
  withNetns(server, () => listener.listen(4711));
  const seen = new Promise<string>((done) => {
    listener.once('connection', (socket) => {
      done((socket.remoteAddress ?? '').replace('::ffff:', ''));
      socket.destroy();
    });
  });
  const script = `require('net').connect(4711, ${JSON.stringify(address)}).on('error', () => process.exit(1))`;
  const program = withNetns(client, () => spawn(process.execPath, ['-e', script], { stdio: 'ignore' }));
  const failed = new Promise<never>((_, fail) => {
    program.once('exit', (code) => {
      if (code !== 0) fail(new Error(`${address} did not answer`));
    });
  });
  try {
    return await Promise.race([seen, failed]);
  } finally {
    listener.close();
  }
}

test('the underlay joins nodes, router and world, and changes no address on the way', async () => {
  const underlay = createUnderlay([4, 6]);
  const nodes = [0, 1].map((index) => ({ name: `node-${index + 1}`, index, netns: createNetns() }));
  try {
    for (const node of nodes) underlay.plugIn(node);
    const [first, second] = nodes.map(({ netns }) => netns);
    assert.ok(first && second);
    for (const { node, router, world } of Object.values(underlayAddresses)) {
      assert.equal(await seenFrom(first, second, node(1)), node(0));
      assert.equal(await seenFrom(first, underlay.switchNetns, router), node(0));
      assert.equal(await seenFrom(second, underlay.worldNetns, world), node(1));
      assert.equal(await seenFrom(underlay.worldNetns, first, node(0)), world);
    }
  } finally {
    for (const { netns } of nodes) netns.close();
    underlay.close();
  }
});
