import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../cluster/client.ts';
import { createFakeTransport } from '../cluster/fake-transport.ts';
import { endpointSlices, services } from '../cluster/resources.ts';
import { createServiceInformers } from '../cluster/service-informers.ts';
import { destroy } from '../kernel/nftables/commands.ts';
import { createFakeNftables } from '../kernel/nftables/fake-nftables.ts';
import { createNftablesBackend } from './backends/nftables.ts';
import { headerOf } from './backends/nftables-table.ts';
import { createServiceProxy } from './service-proxy.ts';
import { testService, testSlice } from './test-objects.ts';

const http = { name: 'http', port: 80 };
const slice = (...addresses: readonly string[]) =>
  testSlice(
    'web',
    'a',
    [{ name: 'http', port: 8080 }],
    addresses.map((address) => ({ address })),
  );

/** Waits for a condition, for at most five seconds. */
async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `${what} within five seconds`);
    await sleep(2);
  }
}

async function start({ checkIntervalMs = 60_000 } = {}) {
  const client = new Client(createFakeTransport());
  await client.create(services, testService('web', '10.96.0.1', [http]));
  await client.create(endpointSlices, slice('10.244.0.1'));
  const nftables = createFakeNftables();
  const messages: string[] = [];
  const stop = new AbortController();
  const objects = createServiceInformers(client);
  const proxy = createServiceProxy({
    objects,
    nftables,
    nodeName: 'node-1',
    checkIntervalMs,
    log: (level, message) => messages.push(`${level} ${message}`),
  });
  const running = Promise.all([objects.run(stop.signal), proxy.run(stop.signal)]);
  await proxy.ready;
  const has = (text: string) => (): boolean => nftables.dump().includes(text);
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  return { client, nftables, messages, proxy, has, end };
}

describe('createServiceProxy', () => {
  test('is ready when the kernel has all Services, and follows their changes', async () => {
    const { client, nftables, proxy, has, end } = await start();
    assert.ok(has('10.96.0.1 . tcp . 80 . 0 : 10.244.0.1 . 8080')());
    assert.equal(nftables.applied.length, 1, 'all in one batch');

    await client.create(services, testService('other', '10.96.0.2', [http]));
    await until(has('\n  10.96.0.2\n'), 'a new Service');
    const { namespace = '', name = '' } = slice().metadata ?? {};
    await client.delete(endpointSlices, { namespace, name });
    await until(() => !has('10.244.0.1 . 8080')(), 'an endpoint is gone');
    await end();

    const before = nftables.dump();
    assert.notEqual(before, '\n', 'what was made stays when the proxy stops');
    proxy.cleanup();
    assert.equal(nftables.dump(), '\n');
  });

  test('starts over when the kernel refuses a change', async () => {
    const { client, nftables, messages, has, end } = await start();
    nftables.apply([destroy(headerOf(4).table)]);
    await client.create(services, testService('other', '10.96.0.2', [http]));
    await until(has('10.244.0.1 . 8080'), 'the whole table is back');
    assert.ok(has('\n  10.96.0.2\n')());
    assert.match(
      messages.join('\n'),
      /^error services: nftables: .*ENOENT.*; trying again from scratch in 50 ms$/mu,
    );
    await end();
  });

  test('puts right what others changed', async () => {
    const { nftables, messages, has, end } = await start({ checkIntervalMs: 5 });
    createNftablesBackend({ nftables }).cleanup();
    await until(has('10.244.0.1 . 8080'), 'the table is back');
    assert.match(messages.join('\n'), /^warning services: the nftables table was changed by others/mu);
    await end();
  });
});
