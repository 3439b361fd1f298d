/** The bandwidth plugin in the kernel: real TCP streams, and what the kernel lists. */
import assert from 'node:assert/strict';
import { connect as connectTcp, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { ifbName } from '../../src/cni/plugins/bandwidth/plan.ts';
import { convertResult } from '../../src/cni/spec/result.ts';
import { withNetns } from '../../src/kernel/netns.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { INGRESS, INGRESS_FILTERS, ROOT, tcHandle } from '../../src/kernel/traffic-control/handle.ts';
import { openTrafficControl } from '../../src/kernel/traffic-control/traffic-control.ts';
import { type Container, startContainer, startNode } from './support/chained.ts';
import { type Call, type Command, ours } from './support/cni.ts';

const PORT = 5000;
const BYTES = 1_000_000;
/** One megabyte a second. */
const RATE = 8_000_000;
const BURST = 512_000;
const limits = { ingressRate: RATE, ingressBurst: BURST, egressRate: RATE, egressBurst: BURST };

const outside = startNode();
const rtnl = openRtnl();
const tc = openTrafficControl();
let container: Container;
let closeServer: () => void;

function call(
  bandwidth: Readonly<Record<string, unknown>>,
  keys: Readonly<Record<string, unknown>> = {},
): Call {
  return {
    config: { type: 'bandwidth', runtimeConfig: { bandwidth }, ...keys },
    containerId: container.id,
    netns: container.netns,
    prevResult: container.result,
  };
}

const run = (command: Command, ...args: Parameters<typeof call>): ReturnType<typeof ours> =>
  ours(command, call(...args));

before(async () => {
  container = await startContainer('limited');
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    // The first byte says what is wanted: to be sent to, or to send.
    socket.once('data', (data) => {
      if (data[0] === 1) socket.end(Buffer.alloc(BYTES));
      else socket.resume().on('end', () => socket.end());
    });
  });
  withNetns(container.netns, () => server.listen(PORT));
  closeServer = () => server.close();
});

after(() => {
  closeServer();
  container.close();
  outside.close();
  rtnl.close();
  tc.close();
});

/** How many bytes a second one stream of a megabyte reaches. */
async function throughput(
  direction: 'to the container' | 'from the container',
  address: string,
): Promise<number> {
  const socket = connectTcp({ host: address, port: PORT });
  const start = performance.now();
  const ended = new Promise((done, fail) => socket.on('error', fail).on('end', done));
  if (direction === 'from the container') socket.write(Buffer.of(1));
  else socket.end(Buffer.alloc(BYTES));
  socket.resume();
  await ended;
  socket.destroy();
  return BYTES / ((performance.now() - start) / 1000);
}

test('ADD limits both directions to the rate, and DEL takes the device away', async () => {
  const free = await throughput('from the container', container.address4);
  const result = await run('ADD', limits);
  const device = ifbName({ network: 'test', containerId: container.id });
  assert.deepEqual(
    result.interfaces?.map(({ name }) => name),
    ['cni0', container.hostInterface, 'eth0', device],
  );
  assert.equal(rtnl.link(device)?.mtuBytes, rtnl.link(container.hostInterface)?.mtuBytes);
  for (const direction of ['from the container', 'to the container'] as const) {
    const rate = await throughput(direction, container.address4);
    // A stream cannot be faster than the rate but for one burst; how much slower depends on the machine.
    const most = (RATE / 8) * (BYTES / (BYTES - BURST / 8)) * 1.05;
    assert.ok(rate < most, `${direction}: ${Math.round(rate)} bytes a second`);
    assert.ok(rate < free / 4, `${direction}: ${Math.round(rate)} against ${Math.round(free)}`);
  }
  for (const link of [container.hostInterface, device]) {
    const { bytes, overlimits } = tc.qdisc(link, ROOT)?.statistics ?? { bytes: 0n, overlimits: 0 };
    assert.ok(bytes >= BYTES, `${link}: ${bytes} bytes`);
    assert.ok(overlimits > 0, link);
  }
  await run('CHECK', limits);
  await run('ADD', limits);
  assert.equal(tc.filters(container.hostInterface, INGRESS_FILTERS).length, 1);
  await run('DEL', limits);
  await run('DEL', limits);
  assert.equal(rtnl.link(device), undefined);
});

test('CHECK names what was changed, and ADD repairs it', async () => {
  const host = container.hostInterface;
  const device = ifbName({ network: 'test', containerId: container.id });
  await run('ADD', limits);
  const damages: readonly (readonly [() => void, RegExp])[] = [
    [() => tc.deleteQdisc(host, ROOT), /does not limit what goes to the container/],
    [() => tc.deleteQdisc(device, ROOT), /does not limit what comes from the container/],
    [() => tc.deleteQdisc(host, INGRESS), /does not redirect to bwp/],
    [() => rtnl.setLink(device, { up: false }), /is down/],
    [() => rtnl.deleteLink(device), /is gone/],
  ];
  for (const [damage, message] of damages) {
    damage();
    await assert.rejects(run('CHECK', limits), message);
    await run('ADD', limits);
    await run('CHECK', limits);
  }
  await assert.rejects(run('CHECK', { ...limits, ingressRate: RATE * 2 }), /does not limit/);
  await run('DEL', limits);
});

test('one direction may be limited alone; none is nothing', async () => {
  const host = container.hostInterface;
  tc.deleteQdisc(host, ROOT);
  const { egressRate, egressBurst } = limits;
  await run('ADD', { egressRate, egressBurst });
  assert.equal(tc.qdisc(host, ROOT), undefined);
  await run('CHECK', { egressRate, egressBurst });
  await run('DEL', {});
  const result = await run('ADD', {});
  assert.deepEqual(result.interfaces, container.result.interfaces);
  await run('CHECK', {});
});

test('limits in the configuration go before the runtime’s', async () => {
  await run('ADD', limits, { ingressRate: 80_000, ingressBurst: 80_000 });
  const options = tc.qdisc(container.hostInterface, ROOT)?.options;
  assert.equal(options?.kind === 'tbf' && options.rateBytesPerSecond, 10_000);
  await run('DEL', {});
  tc.deleteQdisc(container.hostInterface, ROOT);
});

test('unshapedSubnets are not limited, shapedSubnets alone are', async () => {
  const host = container.hostInterface;
  const unshaped = { unshapedSubnets: ['10.88.0.0/24', '2001:db8::/32'] };
  await run('ADD', limits, unshaped);
  await run('CHECK', limits, unshaped);
  const passed = (): bigint => tc.classes(host)[0]?.statistics.bytes ?? 0n;
  await throughput('to the container', container.address4);
  assert.equal(passed(), 0n, 'the node’s address is in 10.88.0.0/24');
  await throughput('to the container', container.address6);
  assert.ok(passed() >= BYTES, 'fd88::/64 is in neither');
  await run('ADD', limits, unshaped);
  assert.ok(passed() >= BYTES, 'nothing was made anew');
  await assert.rejects(run('CHECK', limits, { unshapedSubnets: ['10.0.0.0/8'] }), /does not limit/);

  const shaped = { shapedSubnets: ['10.88.0.0/24'] };
  await run('ADD', limits, shaped);
  await run('CHECK', limits, shaped);
  assert.equal(passed(), 0n);
  await throughput('to the container', container.address6);
  assert.equal(passed(), 0n);
  const filters = tc.filters(host, tcHandle(1));
  assert.deepEqual(
    filters.map(({ match }) => match),
    [{ field: 'source', prefix: '10.88.0.0/24' }],
  );
  await run('DEL', {});
  tc.deleteQdisc(host, ROOT);
});

test('GC removes the devices of the network’s containers that are gone', async () => {
  const other = await startContainer('other');
  const add = (each: Container, name: string): ReturnType<typeof ours> => {
    const { config } = call(limits);
    const { id, netns, result } = each;
    return ours('ADD', { config: { ...config, name }, containerId: id, netns, prevResult: result });
  };
  await add(container, 'test');
  await add(other, 'test');
  await add(other, 'another');
  const devices = (): number => rtnl.links().filter(({ kind }) => kind === 'ifb').length;
  assert.equal(devices(), 3);
  const validAttachments = [{ containerId: other.id, ifName: 'eth0' }];
  await ours('GC', { config: { type: 'bandwidth' }, validAttachments });
  assert.equal(devices(), 2);
  await ours('GC', { config: { type: 'bandwidth' } });
  await ours('GC', { config: { type: 'bandwidth', name: 'another' } });
  assert.equal(devices(), 0);
  other.close();
});

test('every version’s prevResult is understood', async () => {
  for (const cniVersion of ['0.3.0', '0.3.1', '0.4.0', '1.0.0']) {
    const { config } = call(limits, { cniVersion });
    const prevResult = convertResult(container.result, cniVersion) as unknown as Call['prevResult'];
    const base = { containerId: container.id, netns: container.netns, config };
    const result = await ours('ADD', { ...base, prevResult });
    assert.equal(result.interfaces?.length, 4, cniVersion);
    await ours('DEL', base);
  }
});

test('limits that make no sense are refused with their key', async () => {
  const refused = (bandwidth: Readonly<Record<string, unknown>>, message: RegExp): Promise<void> =>
    assert.rejects(run('ADD', bandwidth), message);
  await refused({ ingressBurst: BURST }, /A burst of 512000 bits needs a rate/);
  await refused({ egressRate: RATE }, /A burst of 0 bits holds no whole packet of 1500 bytes/);
  await refused({ egressRate: RATE, egressBurst: 12_000 }, /none would ever pass/);
  await refused({ egressRate: RATE, egressBurst: 2 ** 32 }, /too much/);
  await refused({ egressRate: -1 }, /egressRate: must be a whole number/);
  const both = { shapedSubnets: ['10.0.0.0/8'], unshapedSubnets: ['10.0.0.0/8'] };
  await assert.rejects(run('ADD', limits, both), /unshapedSubnets/);
});
