import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { before, test } from 'node:test';

import { openDatagramSocket, readSocketAddress, socketAddress } from '../../src/kernel/datagram-socket.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';

before(() => {
  const rtnl = openRtnl();
  rtnl.setLink('lo', { up: true });
  rtnl.close();
});

function fail(error: unknown): void {
  throw error;
}

test('socketAddress and readSocketAddress are inverse in both families', () => {
  for (const address of ['127.0.0.1', '10.96.0.10', '::1', 'fd00::10']) {
    assert.deepEqual(readSocketAddress(socketAddress(address, 53)), { address, port: 53 });
  }
});

for (const [family, address] of [
  ['udp4', '127.0.0.1'],
  ['udp6', '::1'],
] as const) {
  test(`openDatagramSocket answers a burst of datagrams over ${family}, each to its sender`, async () => {
    const server = openDatagramSocket({
      address,
      port: 0,
      answer: (message, length, out) => message.copy(out, 0, 0, length),
      onError: fail,
    });
    const clients = Array.from({ length: 3 }, () => createSocket(family));
    const counts = await Promise.all(
      clients.map(async (client, index) => {
        const answers = new Set<string>();
        const done = Promise.withResolvers<void>();
        client.on('message', (message) => {
          answers.add(String(message));
          if (answers.size === 200) done.resolve();
        });
        for (let number = 0; number < 200; number++) client.send(`${index} ${number}`, server.port, address);
        await done.promise;
        client.close();
        return [...answers].filter((text) => text.startsWith(`${index} `)).length;
      }),
    );
    assert.deepEqual(counts, [200, 200, 200]);
    server.close();
  });
}

test('openDatagramSocket drops what is too long, and sends later what is not answered at once', async () => {
  const server = openDatagramSocket({
    address: '127.0.0.1',
    port: 0,
    maxMessageBytes: 512,
    answer(_message, length, _out, peer) {
      const to = peer.copy();
      setImmediate(() => server.send(Buffer.from(`later ${length}`), to));
      return 0;
    },
    onError: fail,
  });
  const client = createSocket('udp4');
  client.send(Buffer.alloc(513), server.port, '127.0.0.1');
  client.send(Buffer.alloc(512), server.port, '127.0.0.1');
  const [answer] = (await once(client, 'message', { signal: AbortSignal.timeout(5000) })) as [Buffer];
  assert.equal(String(answer), 'later 512');
  client.close();
  server.close();
  server.close();
});

test('openDatagramSocket names the system call that failed', () => {
  const open = (): unknown =>
    openDatagramSocket({ address: '192.0.2.1', port: 53, answer: () => 0, onError: fail });
  assert.throws(open, { code: 'EADDRNOTAVAIL', syscall: 'bind' });
});

test('openDatagramSocket closes and reports when answering throws', async () => {
  const failed = Promise.withResolvers<unknown>();
  const server = openDatagramSocket({
    address: '127.0.0.1',
    port: 0,
    answer() {
      throw new Error('cannot answer');
    },
    onError: failed.resolve,
  });
  const client = createSocket('udp4');
  client.send('x', server.port, '127.0.0.1');
  assert.match(String(await failed.promise), /cannot answer/);
  client.close();
});
